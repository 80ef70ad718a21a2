"""Support and resistance: levels where confirmed swings of the window cluster."""

from dataclasses import dataclass
from math import nan

from domain.bars import FloatArray
from marketdata.indicators.columns import CLOSE, HIGH, LOW
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.swings import is_swing_high, is_swing_low, mean_range

COUNT, SWINGS = range(2)


@dataclass(frozen=True)
class SupportResistanceParams(IndicatorParams):
    """Bars of a swing's sides and of memory, swings of a level, mean ranges that it may be wide."""

    left: int = ranged(5, 1, 50)
    right: int = ranged(5, 1, 50)
    life: int = ranged(200, 10, 500)
    touches: int = ranged(2, 1, 10)
    tolerance: float = ranged(1.0, 0.0, 10.0)


DEFAULT = SupportResistanceParams()


@INDICATORS.register("support_resistance")
def support_resistance(params: SupportResistanceParams = DEFAULT) -> Indicator:
    """Return the fold: raw is where the close lies, 0 at support, 1 at resistance.

    Normalised is 2 * raw - 1: near resistance counts as strength.
    """
    sides = params.left + params.right
    room = 2 * (params.life // (min(params.left, params.right) + 1) + 2)
    return Indicator(
        name="support_resistance",
        family="structure",
        inputs=("high", "low", "close"),
        outputs=("position", "support", "resistance", "support_touches", "resistance_touches"),
        params=params,
        first_value=sides,
        warmup=params.life + sides,
        kernel=support_resistance_kernel,
        numbers=(
            float(params.left),
            float(params.right),
            float(params.life),
            float(params.touches),
            params.tolerance,
        ),
        lookback=sides + 1,
        size=SWINGS + 2 * room,
    )


def support_resistance_kernel(bars, start, first, last, state, numbers, out):  # type: ignore[no-untyped-def]
    """Keep the swings in order of price; at each bar join neighbours from the lowest up."""
    highs, lows, closes = bars[HIGH], bars[LOW], bars[CLOSE]
    left, right, life = int(numbers[0]), int(numbers[1]), numbers[2]
    touches, tolerance = numbers[3], numbers[4]
    middle = SWINGS + (len(state) - SWINGS) // 2
    prices, born = state[SWINGS:middle], state[middle:]
    count = int(state[COUNT])
    for i in range(first, last):
        place = i - first
        age = i - start
        begin = i - left - right
        if begin < start:
            for row in range(6):
                out[row, place] = nan
            continue
        close = closes[i]
        count = without_old(prices, born, count, age - life)
        if is_swing_high(highs, i - right, left, right):
            count = inserted(prices, born, count, highs[i - right], age)
        if is_swing_low(lows, i - right, left, right):
            count = inserted(prices, born, count, lows[i - right], age)
        within = tolerance * mean_range(highs, lows, begin, i + 1)
        support = resistance = close
        below = above = 0.0
        lowest = 0
        while lowest < count and above == 0.0:
            beyond = lowest + 1
            offsets = 0.0
            while beyond < count and prices[beyond] - prices[lowest] <= within:
                offsets += prices[beyond] - prices[lowest]
                beyond += 1
            if beyond - lowest >= touches:
                level = prices[lowest] + offsets / (beyond - lowest)
                if level <= close:
                    support, below = level, float(beyond - lowest)
                else:
                    resistance, above = level, float(beyond - lowest)
            lowest = beyond
        if below > 0.0 and above > 0.0:
            position = (close - support) / (resistance - support)
        else:  # above all levels, below all, or none there
            position = 1.0 if below > 0.0 else 0.0 if above > 0.0 else 0.5
        out[0, place] = position
        out[1, place] = support
        out[2, place] = resistance
        out[3, place] = below
        out[4, place] = above
        out[5, place] = 2.0 * position - 1.0
    state[COUNT] = count


def without_old(prices: FloatArray, born: FloatArray, count: int, oldest: float) -> int:
    """Drop the swings known at this age of the fold or before; return how many are left."""
    kept = 0
    for place in range(count):
        if born[place] > oldest:
            prices[kept], born[kept] = prices[place], born[place]
            kept += 1
    return kept


def inserted(prices: FloatArray, born: FloatArray, count: int, price: float, age: float) -> int:
    """Put a swing where it belongs by price; return how many there are now."""
    place = count
    while place > 0 and prices[place - 1] > price:
        prices[place], born[place] = prices[place - 1], born[place - 1]
        place -= 1
    prices[place], born[place] = price, age
    return count + 1
