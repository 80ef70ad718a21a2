"""What kernels share: sums of windows, averages that forget where they began, the squash.

Plain functions, compiled together with the kernel that calls them.
"""

from domain.bars import FloatArray


def window_sum(values: FloatArray, begin: int, end: int) -> float:
    """Return the sum of values[begin:end], afresh and in one fixed order, four lanes wide.

    A running sum would remember where it began; one lane would wait for each addition.
    """
    first = second = third = fourth = 0.0
    lanes_end = begin + (end - begin) // 4 * 4
    for place in range(begin, lanes_end, 4):
        first += values[place]
        second += values[place + 1]
        third += values[place + 2]
        fourth += values[place + 3]
    for place in range(lanes_end, end):
        first += values[place]
    return float((first + second) + (third + fourth))


def highest(values: FloatArray, begin: int, end: int) -> float:
    """Return the greatest of values[begin:end]."""
    best = values[begin]
    for place in range(begin + 1, end):
        best = max(best, values[place])
    return float(best)


def lowest(values: FloatArray, begin: int, end: int) -> float:
    """Return the least of values[begin:end]."""
    best = values[begin]
    for place in range(begin + 1, end):
        best = min(best, values[place])
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


def squashed(value: float, scale: float) -> float:
    """Return value / (|value| + scale): within -1…+1, half way at the scale; 0 when both are 0."""
    span = abs(value) + scale
    return value / span if span > 0.0 else 0.0


def held(value: float, low: float, high: float) -> float:
    """Return the value, or the limit it lies beyond."""
    return min(max(value, low), high)
