"""Liquidity zones: swings that stand untouched, where stops gather, and the sweeps through them."""

from dataclasses import dataclass
from math import nan

from domain.bars import FloatArray
from marketdata.indicators.columns import CLOSE, HIGH, LOW
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.swings import append, forget, is_swing_high, is_swing_low, mean_range

SIDE, WEIGHT, LEFT, LOWS = range(4)


@dataclass(frozen=True)
class LiquidityZonesParams(IndicatorParams):
    """Bars of a swing's sides, of memory for swings and sweeps; mean ranges that count as equal."""

    left: int = ranged(3, 1, 50)
    right: int = ranged(3, 1, 50)
    life: int = ranged(100, 10, 500)
    fade: int = ranged(20, 1, 200)
    tolerance: float = ranged(0.5, 0.0, 10.0)


DEFAULT = LiquidityZonesParams()


@INDICATORS.register("liquidity_zones")
def liquidity_zones(params: LiquidityZonesParams = DEFAULT) -> Indicator:
    """Return the fold: raw is how many lows the bar sweeps less how many highs.

    Normalised is the side of the last sweep, weighed by its swings, fading over `fade` bars.
    """
    sides = params.left + params.right
    room = 1 + 3 * (params.life // (min(params.left, params.right) + 1) + 2)
    return Indicator(
        name="liquidity_zones",
        family="structure",
        inputs=("high", "low", "close"),
        outputs=("sweep", "below", "above", "count_below", "count_above"),
        params=params,
        first_value=sides,
        warmup=params.life + params.fade + sides,
        kernel=liquidity_zones_kernel,
        numbers=(
            float(params.left),
            float(params.right),
            float(params.life),
            float(params.fade),
            params.tolerance,
        ),
        lookback=sides + 1,
        size=LOWS + 2 * room,
    )


def liquidity_zones_kernel(bars, start, first, last, state, numbers, out):  # type: ignore[no-untyped-def]
    """Let the bar sweep what it reaches, then look for one more swing on either side."""
    highs, lows, closes = bars[HIGH], bars[LOW], bars[CLOSE]
    left, right = int(numbers[0]), int(numbers[1])
    life, fade, tolerance = numbers[2], numbers[3], numbers[4]
    middle = LOWS + (len(state) - LOWS) // 2
    # highs stand upside down, so that of both the last is the nearest and the greatest
    floors, ceilings = state[LOWS:middle], state[middle:]
    side, weight, still = state[SIDE], state[WEIGHT], state[LEFT]
    for i in range(first, last):
        place = i - first
        age = i - start
        begin = i - left - right
        if begin < start:
            for row in range(6):
                out[row, place] = nan
            continue
        close = closes[i]
        forget(floors, age - life)
        forget(ceilings, age - life)
        sweep = swept(floors, lows[i], close) - swept(ceilings, -highs[i], -close)
        still = max(still - 1.0, 0.0)
        if sweep != 0.0:
            side, still = (1.0 if sweep > 0.0 else -1.0), fade
            weight = abs(sweep) / (abs(sweep) + 1.0)
        if is_swing_low(lows, i - right, left, right):
            append(floors, lows[i - right], 0.0, age)
        if is_swing_high(highs, i - right, left, right):
            append(ceilings, -highs[i - right], 0.0, age)
        within = tolerance * mean_range(highs, lows, begin, i + 1)
        count_below, count_above = pool(floors, within), pool(ceilings, within)
        out[0, place] = sweep
        out[1, place] = level(floors, count_below) if count_below > 0.0 else close
        out[2, place] = -level(ceilings, count_above) if count_above > 0.0 else close
        out[3, place] = count_below
        out[4, place] = count_above
        out[5, place] = side * weight * (still / fade)
    state[SIDE], state[WEIGHT], state[LEFT] = side, weight, still


def swept(floors: FloatArray, low: float, close: float) -> float:
    """Drop the swings that the low undercuts; return over how many of them the bar closes."""
    back = 0.0
    while floors[0] > 0.0 and floors[1 + 3 * (int(floors[0]) - 1)] > low:
        if close > floors[1 + 3 * (int(floors[0]) - 1)]:
            back += 1.0
        floors[0] -= 1.0
    return back


def pool(floors: FloatArray, within: float) -> float:
    """Return how many swings lie within this distance of the nearest, with it."""
    count = int(floors[0])
    equal = 0
    while equal < count and level(floors, 1.0) - level(floors, equal + 1.0) <= within:
        equal += 1
    return float(equal)


def level(floors: FloatArray, nth: float) -> float:
    """Return the n-th swing from the nearest."""
    return float(floors[1 + 3 * (int(floors[0]) - int(nth))])
