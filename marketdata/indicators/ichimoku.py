"""Ichimoku (Hosoda 1969): midpoints of three windows, and the cloud that they cast forward."""

from dataclasses import dataclass
from math import nan

from domain.bars import FloatArray
from marketdata.indicators.columns import CLOSE, HIGH, LOW
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import highest, lowest, squashed


@dataclass(frozen=True)
class IchimokuParams(IndicatorParams):
    """Bars of the three windows, and how many bars the cloud is cast forward."""

    tenkan: int = ranged(9, 2, 200)
    kijun: int = ranged(26, 3, 300)
    span: int = ranged(52, 4, 400)
    displacement: int = ranged(26, 1, 300)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.refuse_unless_rising("tenkan", "kijun", "span")


DEFAULT = IchimokuParams()


@INDICATORS.register("ichimoku")
def ichimoku(params: IchimokuParams = DEFAULT) -> Indicator:
    """Return the fold: raw is the tenkan line; spans are those that lie at the bar.

    Normalised is the mean of three squashed distances: close and middle of the cloud, tenkan and
    kijun, close and the close `displacement` bars ago; the height of the kijun window scores half.
    """
    first_value = params.span + params.displacement - 1
    return Indicator(
        name="ichimoku",
        family="trend",
        inputs=("high", "low", "close"),
        outputs=("tenkan", "kijun", "span_a", "span_b", "chikou"),
        params=params,
        first_value=first_value,
        warmup=first_value,
        kernel=ichimoku_kernel,
        numbers=(
            float(params.tenkan),
            float(params.kijun),
            float(params.span),
            float(params.displacement),
        ),
        lookback=first_value + 1,
    )


def middle(highs: FloatArray, lows: FloatArray, begin: int, end: int) -> float:
    """Return the midpoint between the highest high and the lowest low of the bars begin…end-1."""
    return 0.5 * highest(highs, begin, end) + 0.5 * lowest(lows, begin, end)


def ichimoku_kernel(bars, start, first, last, _state, numbers, out):  # type: ignore[no-untyped-def]
    """Look the windows through afresh, those of the cloud where it was cast."""
    high, low, close = bars[HIGH], bars[LOW], bars[CLOSE]
    short, medium, long = int(numbers[0]), int(numbers[1]), int(numbers[2])
    away = int(numbers[3])
    for i in range(first, last):
        tenkan = kijun = span_a = span_b = chikou = normalised = nan
        cast = i + 1 - away  # one past the bar whose cloud lies at this one
        if cast - long >= start:
            tenkan = middle(high, low, i + 1 - short, i + 1)
            top, bottom = highest(high, i + 1 - medium, i + 1), lowest(low, i + 1 - medium, i + 1)
            kijun, height = 0.5 * top + 0.5 * bottom, top - bottom
            span_a = 0.5 * middle(high, low, cast - short, cast)
            span_a += 0.5 * middle(high, low, cast - medium, cast)
            span_b = middle(high, low, cast - long, cast)
            chikou = close[i] - close[i - away]
            above = squashed(close[i] - (0.5 * span_a + 0.5 * span_b), height)
            normalised = (above + squashed(tenkan - kijun, height) + squashed(chikou, height)) / 3.0
        out[0, i - first] = tenkan
        out[1, i - first] = kijun
        out[2, i - first] = span_a
        out[3, i - first] = span_b
        out[4, i - first] = chikou
        out[5, i - first] = normalised
