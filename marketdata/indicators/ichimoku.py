"""Ichimoku (Hosoda 1969): midpoints of three windows, and the cloud that they cast forward."""

from dataclasses import dataclass

from domain.bars import FloatArray
from marketdata.indicators.columns import CLOSE, HIGH, LOW
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import blank, squashed, window_highs, window_lows


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


def window_middles(
    highs: FloatArray,
    lows: FloatArray,
    begin: int,
    end: int,
    period: int,
    into: FloatArray,
    spare: FloatArray,
) -> None:
    """Write the midpoints between the highest high and the lowest low of the last bars."""
    window_highs(highs, begin, end, period, into)
    window_lows(lows, begin, end, period, spare)
    for place in range(end - begin):
        into[place] = 0.5 * into[place] + 0.5 * spare[place]


def ichimoku_kernel(bars, start, first, last, _state, numbers, out):  # type: ignore[no-untyped-def]
    """Look the windows through afresh, those of the cloud where it was cast."""
    high, low, close = bars[HIGH], bars[LOW], bars[CLOSE]
    short, medium, long = int(numbers[0]), int(numbers[1]), int(numbers[2])
    away = int(numbers[3])
    whole = min(max(first, start + long + away - 1), last)
    blank(out, whole - first)
    tenkan, kijun = out[0, whole - first :], out[1, whole - first :]
    span_a, span_b = out[2, whole - first :], out[3, whole - first :]
    chikou, normalised = out[4, whole - first :], out[5, whole - first :]
    begin, end = whole - away, last - away  # the bars whose clouds lie at these
    window_middles(high, low, begin, end, short, span_a, chikou)
    window_middles(high, low, begin, end, medium, span_b, chikou)
    for place in range(last - whole):
        span_a[place] = 0.5 * span_a[place] + 0.5 * span_b[place]
    window_middles(high, low, begin, end, long, span_b, chikou)
    window_middles(high, low, whole, last, short, tenkan, chikou)
    window_highs(high, whole, last, medium, kijun)
    window_lows(low, whole, last, medium, chikou)
    now, before = close[whole:last], close[begin:end]
    for place in range(last - whole):
        top, bottom = kijun[place], chikou[place]
        height = top - bottom
        kijun[place] = 0.5 * top + 0.5 * bottom
        chikou[place] = now[place] - before[place]
        cloud = 0.5 * span_a[place] + 0.5 * span_b[place]
        some = squashed(now[place] - cloud, height)
        some += squashed(tenkan[place] - kijun[place], height)
        normalised[place] = (some + squashed(chikou[place], height)) / 3.0
