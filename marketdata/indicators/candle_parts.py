"""What candle patterns are measured by: TA-Lib's settings, means over the bars before each bar.

Each mean is summed afresh. Patterns ask for those of the last few bars, so that they are kept in
`marks`, a ring of eight bars; every call of a kernel fills it anew.
"""

from domain.bars import FloatArray
from marketdata.indicators.columns import CLOSE, HIGH, LOW, OPEN

# Of one bar: mean body, height and shadow of 10 bars, mean height of 5, and where a hikkake points.
BODY, HEIGHT, SHADOW, FIVE, HIKKAKE_SIDE, MOD_SIDE, WIDTH = range(7)
RING = 8
# Bars measured before the first of a call, each against ten before it.
RECENT = 5
LOOKBACK = RECENT + 10 + 1


def measure(bars: FloatArray, i: int, start: int, marks: FloatArray) -> None:
    """Put bar i's yardsticks into `marks`; 0 where too few bars came before."""
    bodies = heights = shadows = five = 0.0
    if i - start >= 10:
        for j in range(i - 10, i):
            high, low, open_, close = bars[HIGH, j], bars[LOW, j], bars[OPEN, j], bars[CLOSE, j]
            bodies += abs(close - open_)
            heights += high - low
            shadows += (high - max(open_, close)) + (min(open_, close) - low)
    if i - start >= 5:
        for j in range(i - 5, i):
            five += bars[HIGH, j] - bars[LOW, j]
    place = WIDTH * (i % RING)
    marks[place + BODY] = bodies / 10.0
    marks[place + HEIGHT] = heights / 10.0
    marks[place + SHADOW] = shadows / 10.0 / 2.0
    marks[place + FIVE] = five / 5.0
    side = 0.0
    if i - start >= 2 and is_inside(bars, i - 1):
        high, low = bars[HIGH, i], bars[LOW, i]
        if high < bars[HIGH, i - 1] and low < bars[LOW, i - 1]:
            side = 1.0
        elif high > bars[HIGH, i - 1] and low > bars[LOW, i - 1]:
            side = -1.0
    marks[place + HIKKAKE_SIDE] = side
    if side != 0.0:
        near, close = 0.2 * marks[WIDTH * ((i - 2) % RING) + FIVE], bars[CLOSE, i - 2]
        is_low, is_high = close <= bars[LOW, i - 2] + near, close >= bars[HIGH, i - 2] - near
        is_near = is_low if side > 0.0 else is_high
        if i - start < 7 or not is_near or not is_inside(bars, i - 2):
            side = 0.0
    marks[place + MOD_SIDE] = side


def is_inside(bars: FloatArray, i: int) -> bool:
    """Return whether the bar lies within the range of the one before, no edge shared."""
    return bool(bars[HIGH, i] < bars[HIGH, i - 1] and bars[LOW, i] > bars[LOW, i - 1])


def hikkake_value(bars: FloatArray, i: int, marks: FloatArray, kind: int) -> float:
    """Return ±100 where a hikkake ends, ±200 where a close confirms the last one, once."""
    side = marks[WIDTH * (i % RING) + kind]
    if side != 0.0:
        return float(100.0 * side)
    for away in range(1, 4):
        side = marks[WIDTH * ((i - away) % RING) + kind]
        if side != 0.0:
            inside = i - away - 1
            for j in range(inside + 2, i + 1):
                close = bars[CLOSE, j]
                is_beyond = close > bars[HIGH, inside] if side > 0.0 else close < bars[LOW, inside]
                if is_beyond:
                    return float(200.0 * side) if j == i else 0.0
            return 0.0
    return 0.0
