"""What kernels share: sums of windows, averages that forget where they began, the squash.

Plain functions, compiled together with the kernel that calls them.
"""

from math import inf, log, nan

from domain.bars import FloatArray
from marketdata.indicators.columns import CLOSE, HIGH, LOW

# Windows of many bars are taken side by side, in pieces that stay in the nearest cache: each bar's
# own additions keep one order, oldest first, whatever the piece.
TILE = 512
# What costs more than an addition is worked out once a bar and kept in `state`: as many terms as
# the next bar's window reaches back, then room for those of the bars taken side by side.
ROOM = 256


def window_sums(values: FloatArray, begin: int, end: int, period: int, into: FloatArray) -> None:
    """Write the sum of the last `period` values at each of the bars begin…end-1, afresh."""
    for tile in range(begin, end, TILE):
        size = min(TILE, end - tile)
        sums = into[tile - begin : tile - begin + size]
        for place in range(size):
            sums[place] = 0.0
        fours = period // 4 * 4
        for back in range(0, fours, 4):  # four at once: fewer turns, and fewer sums that wait
            row = values[tile + 1 - period + back : tile + 4 - period + back + size]
            for place in range(size):
                older, newer = row[place] + row[place + 1], row[place + 2] + row[place + 3]
                sums[place] += older + newer
        for back in range(fours, period):
            row = values[tile + 1 - period + back : tile + 1 - period + back + size]
            for place in range(size):
                sums[place] += row[place]


def window_means(values: FloatArray, begin: int, end: int, period: int, into: FloatArray) -> None:
    """Write the mean of the last `period` values: exactly the value when all are equal."""
    for tile in range(begin, end, TILE):
        size = min(TILE, end - tile)
        means = into[tile - begin : tile - begin + size]
        oldest = values[tile + 1 - period : tile + 1 - period + size]
        for place in range(size):
            means[place] = 0.0
        fours = period // 4 * 4
        for back in range(0, fours, 4):
            row = values[tile + 1 - period + back : tile + 4 - period + back + size]
            for place in range(size):
                base = oldest[place]
                older = (row[place] - base) + (row[place + 1] - base)
                newer = (row[place + 2] - base) + (row[place + 3] - base)
                means[place] += older + newer
        for back in range(fours, period):
            row = values[tile + 1 - period + back : tile + 1 - period + back + size]
            for place in range(size):
                means[place] += row[place] - oldest[place]
        for place in range(size):
            means[place] = oldest[place] + means[place] / period


def window_travels(values: FloatArray, begin: int, end: int, steps: int, into: FloatArray) -> None:
    """Write how far the values moved over the last `steps` steps, up and down alike."""
    for tile in range(begin, end, TILE):
        size = min(TILE, end - tile)
        ways = into[tile - begin : tile - begin + size]
        for place in range(size):
            ways[place] = 0.0
        fours = steps // 4 * 4
        for back in range(0, fours, 4):
            row = values[tile - steps + back : tile + 4 - steps + back + size]
            for place in range(size):
                older = abs(row[place + 1] - row[place]) + abs(row[place + 2] - row[place + 1])
                newer = abs(row[place + 3] - row[place + 2]) + abs(row[place + 4] - row[place + 3])
                ways[place] += older + newer
        for back in range(fours, steps):
            row = values[tile - steps + back : tile + 1 - steps + back + size]
            for place in range(size):
                ways[place] += abs(row[place + 1] - row[place])


def window_squares(
    values: FloatArray, begin: int, end: int, period: int, middles: FloatArray, into: FloatArray
) -> None:
    """Write the sum of squares of the last `period` values less each bar's own middle."""
    for tile in range(begin, end, TILE):
        size = min(TILE, end - tile)
        squares = into[tile - begin : tile - begin + size]
        middle = middles[tile - begin : tile - begin + size]
        for place in range(size):
            squares[place] = 0.0
        fours = period // 4 * 4
        for back in range(0, fours, 4):
            row = values[tile + 1 - period + back : tile + 4 - period + back + size]
            for place in range(size):
                first, second = row[place] - middle[place], row[place + 1] - middle[place]
                third, fourth = row[place + 2] - middle[place], row[place + 3] - middle[place]
                older, newer = first * first + second * second, third * third + fourth * fourth
                squares[place] += older + newer
        for back in range(fours, period):
            row = values[tile + 1 - period + back : tile + 1 - period + back + size]
            for place in range(size):
                away = row[place] - middle[place]
                squares[place] += away * away


def true_ranges(bars: FloatArray, begin: int, end: int, into: FloatArray) -> None:
    """Write the true range of each of the bars begin…end-1; the close before `begin` is read."""
    high, low, before = (
        bars[HIGH, begin:end],
        bars[LOW, begin:end],
        bars[CLOSE, begin - 1 : end - 1],
    )
    for place in range(end - begin):
        top = greater(high[place], before[place])
        into[place] = top - lesser(low[place], before[place])


def window_highs(values: FloatArray, begin: int, end: int, period: int, into: FloatArray) -> None:
    """Write the greatest of the last `period` values."""
    for tile in range(begin, end, TILE):
        size = min(TILE, end - tile)
        best = into[tile - begin : tile - begin + size]
        row = values[tile + 1 - period : tile + 1 - period + size]
        for place in range(size):
            best[place] = row[place]
        fours = 1 + (period - 1) // 4 * 4
        for back in range(1, fours, 4):
            row = values[tile + 1 - period + back : tile + 4 - period + back + size]
            for place in range(size):
                first = greater(row[place], row[place + 1])
                second = greater(row[place + 2], row[place + 3])
                best[place] = greater(best[place], greater(first, second))
        for back in range(fours, period):
            row = values[tile + 1 - period + back : tile + 1 - period + back + size]
            for place in range(size):
                best[place] = greater(best[place], row[place])


def window_lows(values: FloatArray, begin: int, end: int, period: int, into: FloatArray) -> None:
    """Write the least of the last `period` values."""
    for tile in range(begin, end, TILE):
        size = min(TILE, end - tile)
        best = into[tile - begin : tile - begin + size]
        row = values[tile + 1 - period : tile + 1 - period + size]
        for place in range(size):
            best[place] = row[place]
        fours = 1 + (period - 1) // 4 * 4
        for back in range(1, fours, 4):
            row = values[tile + 1 - period + back : tile + 4 - period + back + size]
            for place in range(size):
                first = lesser(row[place], row[place + 1])
                second = lesser(row[place + 2], row[place + 3])
                best[place] = lesser(best[place], lesser(first, second))
        for back in range(fours, period):
            row = values[tile + 1 - period + back : tile + 1 - period + back + size]
            for place in range(size):
                best[place] = lesser(best[place], row[place])


def window_weighted(
    values: FloatArray, begin: int, end: int, weights: FloatArray, into: FloatArray
) -> None:
    """Write the mean of the last values under weights that sum to 1, oldest first."""
    period = len(weights)
    for tile in range(begin, end, TILE):
        size = min(TILE, end - tile)
        means = into[tile - begin : tile - begin + size]
        oldest = values[tile + 1 - period : tile + 1 - period + size]
        for place in range(size):
            means[place] = 0.0
        fours = period // 4 * 4
        for back in range(0, fours, 4):
            row = values[tile + 1 - period + back : tile + 4 - period + back + size]
            first, second = weights[back], weights[back + 1]
            third, fourth = weights[back + 2], weights[back + 3]
            for place in range(size):
                base = oldest[place]
                older = first * (row[place] - base) + second * (row[place + 1] - base)
                newer = third * (row[place + 2] - base) + fourth * (row[place + 3] - base)
                means[place] += older + newer
        for back in range(fours, period):
            row = values[tile + 1 - period + back : tile + 1 - period + back + size]
            weight = weights[back]
            for place in range(size):
                means[place] += weight * (row[place] - oldest[place])
        for place in range(size):
            means[place] = oldest[place] + means[place]


def window_deviations(
    values: FloatArray, begin: int, end: int, period: int, middles: FloatArray, into: FloatArray
) -> None:
    """Write how far the last `period` values lie, in sum, from each bar's own middle."""
    for tile in range(begin, end, TILE):
        size = min(TILE, end - tile)
        ways = into[tile - begin : tile - begin + size]
        middle = middles[tile - begin : tile - begin + size]
        for place in range(size):
            ways[place] = 0.0
        fours = period // 4 * 4
        for back in range(0, fours, 4):
            row = values[tile + 1 - period + back : tile + 4 - period + back + size]
            for place in range(size):
                base = middle[place]
                older = abs(row[place] - base) + abs(row[place + 1] - base)
                newer = abs(row[place + 2] - base) + abs(row[place + 3] - base)
                ways[place] += older + newer
        for back in range(fours, period):
            row = values[tile + 1 - period + back : tile + 1 - period + back + size]
            for place in range(size):
                ways[place] += abs(row[place] - middle[place])


def greater(first: float, second: float) -> float:
    """Return the greater of two: max() without its care for NaN, which keeps loops scalar."""
    return first if first > second else second


def lesser(first: float, second: float) -> float:
    """Return the lesser of two, see `greater`."""
    return first if first < second else second


def keep(row: FloatArray, size: int) -> None:
    """Move a row down by `size` new terms: what lay behind its room is next to be reached back to.

    A row is what a window reaches back to, then ROOM.
    """
    for place in range(len(row) - ROOM):
        row[place] = row[place + size]


def blank(out: FloatArray, size: int) -> None:
    """Write NaN into the first `size` columns of every row: bars that have no value yet."""
    for row in range(out.shape[0]):
        for place in range(size):
            out[row, place] = nan


def window_sum(values: FloatArray, begin: int, end: int) -> float:
    """Return the sum of values[begin:end], afresh and in one fixed order, four lanes wide.

    A running sum would remember where it began; one lane would wait for each addition.
    """
    row = values[begin:end]  # counted from 0, or machine code asks at each place if it is negative
    size = len(row)
    first = second = third = fourth = 0.0
    lanes_end = size // 4 * 4
    for place in range(0, lanes_end, 4):
        first += row[place]
        second += row[place + 1]
        third += row[place + 2]
        fourth += row[place + 3]
    for place in range(lanes_end, size):
        first += row[place]
    return float((first + second) + (third + fourth))


def linear_weights(period: int) -> tuple[float, ...]:
    """Return 1, 2, …, period over their sum: oldest first."""
    total = period * (period + 1) / 2
    return tuple(place / total for place in range(1, period + 1))


def highest(values: FloatArray, begin: int, end: int) -> float:
    """Return the greatest of values[begin:end]."""
    row = values[begin:end]
    best = row[0]
    for place in range(1, len(row)):
        best = max(best, row[place])
    return float(best)


def lowest(values: FloatArray, begin: int, end: int) -> float:
    """Return the least of values[begin:end]."""
    row = values[begin:end]
    best = row[0]
    for place in range(1, len(row)):
        best = min(best, row[place])
    return float(best)


def averaged(
    average: float, value: float, count: float, period: float, share: float, tiny: float
) -> float:
    """Return the next state of an exponential average that begins with a plain mean.

    `count` inputs with this one: below `period` the state is their sum, then their mean, then
    share * value + (1 - share) * average. It lands on a value within `tiny`: rounding stalls an
    average a few bits beside a constant input, and every start must end on the same bits.
    """
    if count < period:
        return average + value
    if count == period:
        moved = (average + value) / period
    else:
        moved = share * value + (1.0 - share) * average
    return value if abs(value - moved) <= tiny else moved


def true_range(high: float, low: float, before: float) -> float:
    """Return the range of a bar and of the close before it (Wilder 1978)."""
    return max(high, before) - min(low, before)


def log_return(value: float, before: float) -> float:
    """Return the logarithm of value / before; 0 where prices are not positive."""
    ratio = value / before if before > 0.0 else 0.0
    return log(ratio) if 0.0 < ratio < inf else 0.0


def squashed(value: float, scale: float) -> float:
    """Return value / (|value| + scale): within -1…+1, half way at the scale; 0 when both are 0."""
    span = abs(value) + scale
    return value / span if span > 0.0 else 0.0


def held(value: float, low: float, high: float) -> float:
    """Return the value, or the limit it lies beyond."""
    return min(max(value, low), high)
