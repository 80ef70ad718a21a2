"""Average directional index (Wilder 1978): how much of the range goes one way, and which."""

from dataclasses import dataclass
from math import nan

from marketdata.indicators.columns import CLOSE, HIGH, LOW
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import averaged, squashed

UP, DOWN, RANGE, STRENGTH, SIZE = range(5)
STRONG = 25.0  # Wilder's border between a trend and none


@dataclass(frozen=True)
class AdxParams(IndicatorParams):
    """Bars of each of Wilder's averages."""

    period: int = ranged(14, 2, 200)


DEFAULT = AdxParams()


@INDICATORS.register("adx")
def adx(params: AdxParams = DEFAULT) -> Indicator:
    """Return the fold: raw is the strength 0…100 of a trend either way.

    Normalised is (+DI - -DI) / (+DI + -DI) * ADX / (ADX + 25), 0 when nothing moves.
    """
    return Indicator(
        name="adx",
        family="trend",
        inputs=("high", "low", "close"),
        outputs=("adx", "plus_di", "minus_di"),
        params=params,
        first_value=2 * params.period - 1,
        warmup=90 * params.period,
        kernel=adx_kernel,
        numbers=(float(params.period),),
        lookback=2,
        size=SIZE,
    )


def adx_kernel(bars, start, first, last, state, numbers, out):  # type: ignore[no-untyped-def]
    """Step Wilder's averages of both movements and of the range, and that of their balance."""
    highs, lows, closes = bars[HIGH], bars[LOW], bars[CLOSE]
    period = numbers[0]
    share = 1.0 / period
    up, down, average, strength = state[UP], state[DOWN], state[RANGE], state[STRENGTH]
    for i in range(first, last):
        changes = i - start
        raw = plus_di = minus_di = normalised = nan
        if changes > 0:
            high, low, before = highs[i], lows[i], closes[i - 1]
            rise, fall = high - highs[i - 1], lows[i - 1] - low
            plus = rise if rise > fall and rise > 0.0 else 0.0
            minus = fall if fall > rise and fall > 0.0 else 0.0
            true_range = max(high, before) - min(low, before)
            tiny = 1e-13 * abs(closes[i])
            up = averaged(up, plus, changes, period - 1.0, share, tiny)
            down = averaged(down, minus, changes, period - 1.0, share, tiny)
            average = averaged(average, true_range, changes, period - 1.0, share, tiny)
            if changes == period - 1.0:  # Wilder begins with the sum of one bar less
                up *= 1.0 - share
                down *= 1.0 - share
                average *= 1.0 - share
            balances = changes - period + 1.0
            if balances >= 1.0:
                balance = (up - down) / (up + down) if up + down > 0.0 else 0.0
                one_way = 100.0 * abs(balance)
                strength = averaged(strength, one_way, balances, period, share, 1e-11)
                if balances >= period:
                    raw = strength
                    plus_di = 100.0 * (up / average) if average > 0.0 else 0.0
                    minus_di = 100.0 * (down / average) if average > 0.0 else 0.0
                    normalised = balance * squashed(strength, STRONG)
        out[0, i - first] = raw
        out[1, i - first] = plus_di
        out[2, i - first] = minus_di
        out[3, i - first] = normalised
    state[UP], state[DOWN], state[RANGE], state[STRENGTH] = up, down, average, strength
