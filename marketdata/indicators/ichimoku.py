"""Ichimoku (Hosoda 1969): midpoints of three windows, and the cloud that they cast forward."""

from dataclasses import dataclass

from domain.bars import FloatArray
from marketdata.indicators.columns import CLOSE, HIGH, LOW
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import (
    TILE,
    blank,
    greater,
    lesser,
    squashed,
    window_highs,
    window_lows,
)


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


def widen(
    highs: FloatArray,
    lows: FloatArray,
    begin: int,
    end: int,
    period: int,
    tops: FloatArray,
    bottoms: FloatArray,
    spare: FloatArray,
) -> None:
    """Widen windows by the `period` bars that end at each of the bars begin…end-1."""
    window_highs(highs, begin, end, period, spare)
    for place in range(end - begin):
        tops[place] = greater(tops[place], spare[place])
    window_lows(lows, begin, end, period, spare)
    for place in range(end - begin):
        bottoms[place] = lesser(bottoms[place], spare[place])


def ichimoku_kernel(bars, start, first, last, _state, numbers, out):  # type: ignore[no-untyped-def]
    """Look the windows through afresh, those of the cloud where it was cast."""
    high, low, close = bars[HIGH], bars[LOW], bars[CLOSE]
    short, medium, long = int(numbers[0]), int(numbers[1]), int(numbers[2])
    away = int(numbers[3])
    whole = min(max(first, start + long + away - 1), last)
    blank(out, whole - first)
    for tile in range(whole, last, TILE):
        size, column = min(TILE, last - tile), tile - first
        tenkan, kijun = out[0, column:], out[1, column:]
        span_a, span_b = out[2, column:], out[3, column:]
        chikou, normalised = out[4, column:], out[5, column:]

        begin, end = tile - away, tile - away + size  # the bars whose clouds lie at these
        window_highs(high, begin, end, short, tenkan)
        window_lows(low, begin, end, short, kijun)
        for place in range(size):
            span_a[place] = 0.5 * tenkan[place] + 0.5 * kijun[place]
        widen(high, low, begin - short, end - short, medium - short, tenkan, kijun, chikou)
        for place in range(size):
            middle = 0.5 * tenkan[place] + 0.5 * kijun[place]
            span_a[place] = 0.5 * span_a[place] + 0.5 * middle
        widen(high, low, begin - medium, end - medium, long - medium, tenkan, kijun, chikou)
        for place in range(size):
            span_b[place] = 0.5 * tenkan[place] + 0.5 * kijun[place]

        begin, end = tile, tile + size
        window_highs(high, begin, end, short, chikou)
        window_lows(low, begin, end, short, normalised)
        for place in range(size):
            tenkan[place] = 0.5 * chikou[place] + 0.5 * normalised[place]
        widen(high, low, begin - short, end - short, medium - short, chikou, normalised, kijun)
        now, before = close[begin:end], close[begin - away : end - away]
        for place in range(size):
            top, bottom = chikou[place], normalised[place]
            height = top - bottom
            kijun[place] = 0.5 * top + 0.5 * bottom
            chikou[place] = now[place] - before[place]
            cloud = 0.5 * span_a[place] + 0.5 * span_b[place]
            some = squashed(now[place] - cloud, height)
            some += squashed(tenkan[place] - kijun[place], height)
            normalised[place] = (some + squashed(chikou[place], height)) / 3.0
