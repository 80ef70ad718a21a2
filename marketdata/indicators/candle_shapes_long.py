"""Candle patterns of three to five bars: TA-Lib's definitions, ±100, hikkakes up to ±200."""

from domain.bars import FloatArray
from marketdata.indicators.candle_parts import (
    BODY,
    FIVE,
    HEIGHT,
    HIKKAKE_SIDE,
    MOD_SIDE,
    RING,
    SHADOW,
    WIDTH,
    hikkake_value,
)
from marketdata.indicators.candle_shapes_short import SHORT_COUNT
from marketdata.indicators.columns import CLOSE, HIGH, LOW, OPEN

(
    TWO_CROWS,
    UPSIDE_GAP_TWO_CROWS,
    THREE_INSIDE,
    THREE_OUTSIDE,
    MORNING_STAR,
    EVENING_STAR,
    MORNING_DOJI_STAR,
    EVENING_DOJI_STAR,
    ABANDONED_BABY,
    TRISTAR,
    THREE_WHITE_SOLDIERS,
    ADVANCE_BLOCK,
    STALLED_PATTERN,
    IDENTICAL_THREE_CROWS,
    THREE_STARS_IN_THE_SOUTH,
    UNIQUE_THREE_RIVER,
    STICK_SANDWICH,
    GAP_SIDE_BY_SIDE_WHITE,
    TASUKI_GAP,
    GAP_THREE_METHODS,
    THREE_BLACK_CROWS,
    THREE_LINE_STRIKE,
    CONCEALING_BABY_SWALLOW,
    BREAKAWAY,
    LADDER_BOTTOM,
    MAT_HOLD,
    RISE_FALL_THREE_METHODS,
    HIKKAKE,
    HIKKAKE_MOD,
    COUNT,
) = range(SHORT_COUNT, SHORT_COUNT + 30)


def find_long(bars: FloatArray, i: int, marks: FloatArray, found: FloatArray) -> None:
    """Put what each pattern of three or more bars says at bar i into its place of `found`.

    0 is the bar itself, 1 the one before, and so on. A bar that closes at its open is white.
    """
    open0, high0, low0, close0 = bars[OPEN, i], bars[HIGH, i], bars[LOW, i], bars[CLOSE, i]
    j = i - 1
    open1, high1, low1, close1 = bars[OPEN, j], bars[HIGH, j], bars[LOW, j], bars[CLOSE, j]
    j = i - 2
    open2, high2, low2, close2 = bars[OPEN, j], bars[HIGH, j], bars[LOW, j], bars[CLOSE, j]
    j = i - 3
    open3, high3, low3, close3 = bars[OPEN, j], bars[HIGH, j], bars[LOW, j], bars[CLOSE, j]
    j = i - 4
    open4, high4, low4, close4 = bars[OPEN, j], bars[HIGH, j], bars[LOW, j], bars[CLOSE, j]
    mark0, mark1 = WIDTH * (i % RING), WIDTH * ((i - 1) % RING)
    mark2, mark3 = WIDTH * ((i - 2) % RING), WIDTH * ((i - 3) % RING)
    mark4 = WIDTH * ((i - 4) % RING)

    top0, bottom0, body0 = max(open0, close0), min(open0, close0), abs(close0 - open0)
    top1, bottom1, body1 = max(open1, close1), min(open1, close1), abs(close1 - open1)
    top2, bottom2, body2 = max(open2, close2), min(open2, close2), abs(close2 - open2)
    top3, bottom3, body3 = max(open3, close3), min(open3, close3), abs(close3 - open3)
    top4, bottom4, body4 = max(open4, close4), min(open4, close4), abs(close4 - open4)
    white0, white1, white2 = close0 >= open0, close1 >= open1, close2 >= open2
    white3, white4 = close3 >= open3, close4 >= open4
    side0, side1 = 1.0 if white0 else -1.0, 1.0 if white1 else -1.0
    upper0, lower0 = high0 - top0, bottom0 - low0
    upper1, lower1 = high1 - top1, bottom1 - low1
    upper2, lower2 = high2 - top2, bottom2 - low2
    upper3, lower3 = high3 - top3, bottom3 - low3
    tiny0, tiny1 = 0.1 * marks[mark0 + HEIGHT], 0.1 * marks[mark1 + HEIGHT]
    tiny2, tiny3 = 0.1 * marks[mark2 + HEIGHT], 0.1 * marks[mark3 + HEIGHT]
    long0, small0 = body0 > marks[mark0 + BODY], body0 < marks[mark0 + BODY]
    long1, small1 = body1 > marks[mark1 + BODY], body1 < marks[mark1 + BODY]
    long2, small2 = body2 > marks[mark2 + BODY], body2 < marks[mark2 + BODY]
    small3, long4 = body3 < marks[mark3 + BODY], body4 > marks[mark4 + BODY]
    near1, near2, near3 = (
        0.2 * marks[mark1 + FIVE],
        0.2 * marks[mark2 + FIVE],
        0.2 * marks[mark3 + FIVE],
    )
    far1, far2 = 0.6 * marks[mark1 + FIVE], 0.6 * marks[mark2 + FIVE]
    equal1, equal2 = 0.05 * marks[mark1 + FIVE], 0.05 * marks[mark2 + FIVE]
    above, below = bottom1 > top2, top1 < bottom2  # gaps between the bodies of the last two
    beyond = above if white1 else below
    black0 = not white0
    black01 = black0 and not white1
    black012, white012 = black01 and not white2, white0 and white1 and white2
    trio = white1 == white2 == white3

    # a long bar, a gap, and what becomes of it
    crows = white2 and black01 and long2 and above
    two = crows and close1 < open0 < open1 and open2 < close0 < close2
    found[TWO_CROWS] = -100.0 if two else 0.0
    kept = crows and not long1 and open0 > open1 and close2 < close0 < close1
    found[UPSIDE_GAP_TWO_CROWS] = -100.0 if kept else 0.0

    # a harami or an engulfing, confirmed
    back = close0 > open2 if white0 else close0 < open2
    held = white2 != white0 and back and top1 < top2 and bottom1 > bottom2
    found[THREE_INSIDE] = 100.0 * side0 if held and long2 and not long1 else 0.0
    on = close0 > close1 if white1 else close0 < close1
    around = white2 != white1 and top1 > top2 and bottom1 < bottom2
    found[THREE_OUTSIDE] = 100.0 * side1 if around and on else 0.0

    # stars: a body beyond a long bar, then a bar back into that
    far_back = close2 + side0 * body2 * 0.3
    returns = close0 > far_back if white0 else close0 < far_back
    doji1 = body1 <= tiny1
    star = white2 != white0 and returns and long2 and long0
    gap = below if white0 else above
    plain, crossed = star and gap and not long1, star and gap and doji1
    found[MORNING_STAR] = 100.0 if plain and white0 else 0.0
    found[EVENING_STAR] = -100.0 if plain and black0 else 0.0
    found[MORNING_DOJI_STAR] = 100.0 if crossed and white0 else 0.0
    found[EVENING_DOJI_STAR] = -100.0 if crossed and black0 else 0.0
    alone = high1 < min(low2, low0) if white0 else low1 > max(high2, high0)
    found[ABANDONED_BABY] = 100.0 * side0 if star and doji1 and alone else 0.0
    found[TRISTAR] = 0.0
    if max(body0, body1, body2) <= tiny2:
        if above and top0 < top1:
            found[TRISTAR] = -100.0
        elif below and bottom0 > bottom1:
            found[TRISTAR] = 100.0

    # three white bars: marching on, or tired
    rising = white012 and close0 > close1 > close2
    opens1 = open2 < open1 <= close2 + near2
    opens0 = open1 < open0 <= close1 + near1
    strong = body1 > body2 - far2 and body0 > body1 - far1 and long0
    bare = upper2 < tiny2 and upper1 < tiny1 and upper0 < tiny0
    soldiers = rising and opens1 and opens0
    found[THREE_WHITE_SOLDIERS] = 100.0 if soldiers and strong and bare else 0.0
    shadowed = upper0 > marks[mark0 + SHADOW] or upper1 > marks[mark1 + SHADOW]
    tired = (
        (body1 < body2 - far2 and body0 < body1 + near1)
        or body0 < body1 - far1
        or (body0 < body1 < body2 and shadowed)
        or (body0 < body1 and upper0 > body0)
    )
    blocked = soldiers and long2 and upper2 < marks[mark2 + SHADOW] and tired
    found[ADVANCE_BLOCK] = -100.0 if blocked else 0.0
    shoulder = rising and opens1 and upper1 < tiny1 and open0 >= close1 - body0 - near1
    found[STALLED_PATTERN] = -100.0 if shoulder and long2 and long1 and small0 else 0.0

    # three bars, some of them black
    falling = black012 and close2 > close1 > close0
    grounded = lower2 < tiny2 and lower1 < tiny1 and lower0 < tiny0
    stairs = is_within(open1, close2, equal2) and is_within(open0, close1, equal1)
    found[IDENTICAL_THREE_CROWS] = -100.0 if falling and grounded and stairs else 0.0
    fading = black012 and lower2 > body2 and body1 < body2 and long2 and small0
    lifted = close2 < open1 <= high2 and low2 <= low1 < close2 and lower1 > tiny1
    nested = low0 > low1 and high0 < high1 and max(lower0, upper0) < tiny0
    found[THREE_STARS_IN_THE_SOUTH] = 100.0 if fading and lifted and nested else 0.0
    river = white0 and not white1 and not white2 and long2 and small0
    bed = close1 > close2 and open1 <= open2 and low1 < low2 and open0 > low1
    found[UNIQUE_THREE_RIVER] = 100.0 if river and bed else 0.0
    bread = black0 and white1 and not white2
    sandwich = bread and low1 > close2 and is_within(close0, close2, equal2)
    found[STICK_SANDWICH] = 100.0 if sandwich else 0.0

    # a gap, and a third bar beside it or back towards it
    both_above, both_below = above and bottom0 > top2, below and top0 < bottom2
    alike = is_within(body0, body1, near1) and is_within(open0, open1, equal1)
    twins = (both_above or both_below) and white0 and white1 and alike
    found[GAP_SIDE_BY_SIDE_WHITE] = (100.0 if both_above else -100.0) if twins else 0.0
    turns = beyond and white0 != white1 and bottom1 < open0 < top1
    into = top2 < close0 < open1 if white1 else open1 < close0 < bottom2
    tasuki = turns and into and abs(body1 - body0) < near1
    found[TASUKI_GAP] = 100.0 * side1 if tasuki else 0.0
    closed = turns and white2 == white1 and bottom2 < close0 < top2
    found[GAP_THREE_METHODS] = 100.0 * side1 if closed else 0.0

    # four bars
    steps = close2 < open1 < open2 and close1 < open0 < open1
    marching = falling and white3 and close2 < high3 and steps and grounded
    found[THREE_BLACK_CROWS] = -100.0 if marching else 0.0
    opens = bottom3 - near3 <= open2 <= top3 + near3 and bottom2 - near2 <= open1 <= top2 + near2
    if white1:
        strike = close1 > close2 > close3 and open0 > close1 and close0 < open3
    else:
        strike = close1 < close2 < close3 and open0 < close1 and close0 > open3
    struck = trio and white0 != white1 and opens and strike
    found[THREE_LINE_STRIKE] = 100.0 * side1 if struck else 0.0
    bald = max(lower3, upper3) < tiny3 and max(lower2, upper2) < tiny2
    dips = below and upper1 > tiny1 and high1 > close2
    swallow = black012 and not white3 and bald and dips and high0 > high1 and low0 < low1
    found[CONCEALING_BABY_SWALLOW] = 100.0 if swallow else 0.0

    # five bars
    if white0:
        away = top3 < bottom4 and high1 < high2 < high3 and low1 < low2 < low3
        away = away and open3 < close0 < close4
    else:
        away = bottom3 > top4 and high1 > high2 > high3 and low1 > low2 > low3
        away = away and close4 < close0 < open3
    colours = white4 == white3 == white1 and white1 != white0
    found[BREAKAWAY] = 100.0 * side0 if colours and long4 and away else 0.0
    ladder = white0 and not white1 and not white2 and not white3 and not white4
    rungs = open4 > open3 > open2 and close4 > close3 > close2 and upper1 > tiny1
    climbs = open0 > open1 and close0 > high1
    found[LADDER_BOTTOM] = 100.0 if ladder and rungs and climbs else 0.0
    pause = long4 and small3 and small2 and small1
    floor = close4 - body4 * 0.5
    mat = pause and white4 and not white3 and white0 and bottom3 > top4
    resting = floor < bottom2 < close4 and floor < bottom1 < close4 and top1 < top2 < open3
    leaves = open0 > close1 and close0 > max(high3, high2, high1)
    found[MAT_HOLD] = 100.0 if mat and resting and leaves else 0.0
    methods = pause and trio and white3 != white4 and white0 == white4 and long0
    lying = max(bottom3, bottom2, bottom1) < high4 and min(top3, top2, top1) > low4
    if white4:
        resumes = close3 > close2 > close1 and open0 > close1 and close0 > close4
    else:
        resumes = close3 < close2 < close1 and open0 < close1 and close0 < close4
    found[RISE_FALL_THREE_METHODS] = 100.0 * side0 if methods and lying and resumes else 0.0

    found[HIKKAKE] = hikkake_value(bars, i, marks, HIKKAKE_SIDE)
    found[HIKKAKE_MOD] = hikkake_value(bars, i, marks, MOD_SIDE)


def is_within(first: float, second: float, distance: float) -> bool:
    """Return whether the first lies at most this distance from the second."""
    return bool(second - distance <= first <= second + distance)
