"""Crossing of two simple averages: the fast one above the slow one is a rising market."""

from dataclasses import dataclass

from marketdata.indicators.columns import CLOSE
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import blank, squashed, window_means, window_travels


@dataclass(frozen=True)
class SmaCrossParams(IndicatorParams):
    """Bars of both averages, and the spread, in average moves of one bar, that scores one half."""

    fast: int = ranged(20, 2, 200)
    slow: int = ranged(50, 3, 400)
    half_at: float = ranged(2.0, 0.1, 100.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.refuse_unless_rising("fast", "slow")


DEFAULT = SmaCrossParams()


@INDICATORS.register("sma_cross")
def sma_cross(params: SmaCrossParams = DEFAULT) -> Indicator:
    """Return the fold: raw is fast average minus slow average in price units.

    Normalised is spread / (|spread| + half_at * average move), 0 when nothing moves.
    """
    return Indicator(
        name="sma_cross",
        family="trend",
        inputs=("close",),
        outputs=("spread", "fast", "slow"),
        params=params,
        first_value=params.slow - 1,
        warmup=params.slow - 1,
        kernel=sma_cross_kernel,
        numbers=(float(params.fast), float(params.slow), params.half_at),
        lookback=params.slow,
    )


def sma_cross_kernel(bars, start, first, last, _state, numbers, out):  # type: ignore[no-untyped-def]
    """Average both windows afresh at every bar."""
    close = bars[CLOSE]
    fast_period, slow_period, half_at = int(numbers[0]), int(numbers[1]), numbers[2]
    whole = min(max(first, start + slow_period - 1), last)
    blank(out, whole - first)
    spread, fast = out[0, whole - first :], out[1, whole - first :]
    slow, normalised = out[2, whole - first :], out[3, whole - first :]
    window_means(close, whole, last, fast_period, fast)
    window_means(close, whole, last, slow_period, slow)
    window_travels(close, whole, last, slow_period - 1, normalised)
    reach = half_at / (slow_period - 1)
    for place in range(last - whole):
        spread[place] = fast[place] - slow[place]
        normalised[place] = squashed(spread[place], reach * normalised[place])
