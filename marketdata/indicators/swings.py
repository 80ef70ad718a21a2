"""What kernels of price action share: swings, known only once enough bars stand to their right."""

from domain.bars import FloatArray


def is_swing_high(highs: FloatArray, place: int, left: int, right: int) -> bool:
    """Return whether the high tops `left` bars before it and is not topped by `right` after it.

    Of equal highs the first counts. The caller must stand at bar `place + right` or later.
    """
    high = highs[place]
    for away in range(1, right + 1):
        if highs[place + away] > high:
            return False
    for away in range(1, left + 1):  # noqa: SIM110 - machine code knows no generators
        if highs[place - away] >= high:
            return False
    return True


def is_swing_low(lows: FloatArray, place: int, left: int, right: int) -> bool:
    """Return whether the low undercuts `left` bars before it and none of `right` undercuts it."""
    low = lows[place]
    for away in range(1, right + 1):
        if lows[place + away] < low:
            return False
    for away in range(1, left + 1):  # noqa: SIM110 - see above
        if lows[place - away] <= low:
            return False
    return True


def mean_range(highs: FloatArray, lows: FloatArray, begin: int, end: int) -> float:
    """Return the mean of high less low over the bars from `begin` to before `end`."""
    total = 0.0
    for place in range(begin, end):
        total += highs[place] - lows[place]
    return float(total / (end - begin))


# A list of (near edge, far edge, age of the fold when made), the newest last, nearest to the
# price: its length stands first, then three floats for each.


def forget(found: FloatArray, oldest: float) -> None:
    """Drop from the list what was made at this age or before."""
    count, gone = int(found[0]), 0
    while gone < count and found[3 + 3 * gone] <= oldest:
        gone += 1
    if gone > 0:
        for place in range(1, 1 + 3 * (count - gone)):
            found[place] = found[place + 3 * gone]
        found[0] = count - gone


def append(found: FloatArray, near: float, far: float, age: float) -> None:
    """Put one at the end of the list; a full one drops its oldest."""
    if 1 + 3 * (int(found[0]) + 1) > len(found):
        forget(found, found[3])
    place = 1 + 3 * int(found[0])
    found[place], found[place + 1], found[place + 2] = near, far, age
    found[0] += 1.0
