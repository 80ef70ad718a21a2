"""Average true range (Wilder 1978): how far a bar usually reaches, gaps included."""

from dataclasses import dataclass
from math import nan

from marketdata.indicators.columns import CLOSE, HIGH, LOW
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import averaged, true_range

AVERAGE, SIZE = range(2)


@dataclass(frozen=True)
class AtrParams(IndicatorParams):
    """True ranges averaged."""

    period: int = ranged(14, 2, 200)


DEFAULT = AtrParams()


@INDICATORS.register("atr")
def atr(params: AtrParams = DEFAULT) -> Indicator:
    """Return the fold: raw is the average in price units, then in percent of the close."""
    return Indicator(
        name="atr",
        family="volatility",
        inputs=("high", "low", "close"),
        outputs=("atr", "atr_pct"),
        params=params,
        first_value=params.period,
        warmup=65 * params.period,
        kernel=atr_kernel,
        numbers=(float(params.period),),
        lookback=2,
        size=SIZE,
        is_directed=False,
    )


def atr_kernel(bars, start, first, last, state, numbers, out):  # type: ignore[no-untyped-def]
    """Step Wilder's average of true ranges."""
    highs, lows, closes = bars[HIGH], bars[LOW], bars[CLOSE]
    period = numbers[0]
    share = 1.0 / period
    average = state[AVERAGE]
    for i in range(first, last):
        ranges = i - start
        raw = percent = nan
        if ranges > 0:
            close = closes[i]
            reached = true_range(highs[i], lows[i], closes[i - 1])
            average = averaged(average, reached, ranges, period, share, 1e-13 * abs(close))
            if ranges >= period:
                raw = average
                percent = 100.0 * (average / close) if close != 0.0 else 0.0
        out[0, i - first] = raw
        out[1, i - first] = percent
        out[2, i - first] = nan
    state[AVERAGE] = average
