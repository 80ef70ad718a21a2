"""Candle patterns of one and two bars: TA-Lib's definitions, ±100 (80 where an edge is shared)."""

from domain.bars import FloatArray
from marketdata.indicators.candle_parts import BODY, FIVE, HEIGHT, RING, SHADOW, WIDTH
from marketdata.indicators.columns import CLOSE, HIGH, LOW, OPEN

(
    DOJI,
    DRAGONFLY_DOJI,
    GRAVESTONE_DOJI,
    LONG_LEGGED_DOJI,
    RICKSHAW_MAN,
    TAKURI,
    HIGH_WAVE,
    SPINNING_TOP,
    LONG_LINE,
    SHORT_LINE,
    BELT_HOLD,
    CLOSING_MARUBOZU,
    MARUBOZU,
    HAMMER,
    HANGING_MAN,
    INVERTED_HAMMER,
    SHOOTING_STAR,
    DOJI_STAR,
    ENGULFING,
    HARAMI,
    HARAMI_CROSS,
    HOMING_PIGEON,
    MATCHING_LOW,
    COUNTERATTACK,
    SEPARATING_LINES,
    KICKING,
    KICKING_BY_LENGTH,
    DARK_CLOUD_COVER,
    PIERCING,
    THRUSTING,
    IN_NECK,
    ON_NECK,
    SHORT_COUNT,
) = range(33)


def find_short(bars: FloatArray, i: int, marks: FloatArray, found: FloatArray) -> None:
    """Put what each pattern of one or two bars says at bar i into its place of `found`.

    0 is the bar itself, 1 the one before. A bar that closes at its open is white.
    """
    open0, high0, low0, close0 = bars[OPEN, i], bars[HIGH, i], bars[LOW, i], bars[CLOSE, i]
    mark = WIDTH * (i % RING)
    top0, bottom0, body0 = max(open0, close0), min(open0, close0), abs(close0 - open0)
    upper0, lower0 = high0 - top0, bottom0 - low0
    white0, side0 = close0 >= open0, 1.0 if close0 >= open0 else -1.0
    long0, small0 = body0 > marks[mark + BODY], body0 < marks[mark + BODY]
    tiny0, shadow0 = 0.1 * marks[mark + HEIGHT], marks[mark + SHADOW]
    doji0, near0 = body0 <= tiny0, 0.2 * marks[mark + FIVE]
    shortest0, longest0 = min(lower0, upper0), max(lower0, upper0)
    behind0 = lower0 if white0 else upper0  # the shadow at the end the bar came from
    ahead0 = upper0 if white0 else lower0

    open1, high1, low1, close1 = (
        bars[OPEN, i - 1],
        bars[HIGH, i - 1],
        bars[LOW, i - 1],
        bars[CLOSE, i - 1],
    )
    mark = WIDTH * ((i - 1) % RING)
    top1, bottom1, body1 = max(open1, close1), min(open1, close1), abs(close1 - open1)
    white1, side1 = close1 >= open1, 1.0 if close1 >= open1 else -1.0
    long1, tiny1 = body1 > marks[mark + BODY], 0.1 * marks[mark + HEIGHT]
    near1, equal1 = 0.2 * marks[mark + FIVE], 0.05 * marks[mark + FIVE]
    above, below = bottom0 > top1, top0 < bottom1  # gaps between the bodies
    opposite = white0 != white1
    same_close = close1 - equal1 <= close0 <= close1 + equal1

    # dojis: open and close are nearly one price
    found[DOJI] = 100.0 if doji0 else 0.0
    found[DRAGONFLY_DOJI] = 100.0 if doji0 and upper0 < tiny0 and lower0 > tiny0 else 0.0
    found[GRAVESTONE_DOJI] = 100.0 if doji0 and lower0 < tiny0 and upper0 > tiny0 else 0.0
    found[LONG_LEGGED_DOJI] = 100.0 if doji0 and longest0 > body0 else 0.0
    middle = low0 + (high0 - low0) / 2.0
    in_middle = bottom0 <= middle + near0 and top0 >= middle - near0
    found[RICKSHAW_MAN] = 100.0 if doji0 and shortest0 > body0 and in_middle else 0.0
    found[TAKURI] = 100.0 if doji0 and upper0 < tiny0 and lower0 > 2.0 * body0 else 0.0

    # one bar: how long the body is, how long the shadows
    found[HIGH_WAVE] = 100.0 * side0 if small0 and shortest0 > 2.0 * body0 else 0.0
    found[SPINNING_TOP] = 100.0 * side0 if small0 and shortest0 > body0 else 0.0
    found[LONG_LINE] = 100.0 * side0 if long0 and longest0 < shadow0 else 0.0
    found[SHORT_LINE] = 100.0 * side0 if small0 and longest0 < shadow0 else 0.0
    belt_hold = 100.0 * side0 if long0 and behind0 < tiny0 else 0.0
    found[BELT_HOLD] = belt_hold
    found[CLOSING_MARUBOZU] = 100.0 * side0 if long0 and ahead0 < tiny0 else 0.0
    marubozu0 = long0 and longest0 < tiny0
    found[MARUBOZU] = 100.0 * side0 if marubozu0 else 0.0

    # a small body at one end of its bar, and where the bar before lies
    hammer = small0 and lower0 > body0 and upper0 < tiny0
    turned = small0 and upper0 > body0 and lower0 < tiny0
    found[HAMMER] = 100.0 if hammer and bottom0 <= low1 + near1 else 0.0
    found[HANGING_MAN] = -100.0 if hammer and bottom0 >= high1 - near1 else 0.0
    found[INVERTED_HAMMER] = 100.0 if turned and below else 0.0
    found[SHOOTING_STAR] = -100.0 if turned and above else 0.0

    # a doji beyond the end of a long body; a body around or within the one before
    beyond = above if white1 else below
    found[DOJI_STAR] = -100.0 * side1 if long1 and doji0 and beyond else 0.0
    over, under = top0 - top1, bottom1 - bottom0
    around = opposite and over >= 0.0 and under >= 0.0 and max(over, under) > 0.0
    found[ENGULFING] = (100.0 if min(over, under) > 0.0 else 80.0) * side0 if around else 0.0
    within = 100.0 if max(over, under) < 0.0 else 80.0
    inside = -side1 * within if long1 and max(over, under) <= 0.0 else 0.0
    found[HARAMI] = 0.0 if long0 else inside
    found[HARAMI_CROSS] = inside if doji0 else 0.0
    black = not white0 and not white1
    pigeon = black and long1 and not long0 and open0 < open1 and close0 > close1
    found[HOMING_PIGEON] = 100.0 if pigeon else 0.0

    # two bars from one open or to one close
    found[MATCHING_LOW] = 100.0 if black and same_close else 0.0
    attack = opposite and same_close and long1 and long0
    found[COUNTERATTACK] = 100.0 * side0 if attack else 0.0
    same_open = open1 - equal1 <= open0 <= open1 + equal1
    found[SEPARATING_LINES] = belt_hold if opposite and same_open else 0.0

    # a marubozu that leaves a gap behind one of the other colour
    marubozu1 = long1 and max(high1 - top1, bottom1 - low1) < tiny1
    apart = low0 > high1 if white0 else high0 < low1
    kick = opposite and apart and marubozu0 and marubozu1
    found[KICKING] = 100.0 * side0 if kick else 0.0
    found[KICKING_BY_LENGTH] = 100.0 * (side0 if body0 > body1 else side1) if kick else 0.0

    # from beyond a long bar back towards or into its body
    half = body1 * 0.5
    cover = white1 and not white0 and long1 and open0 > high1 and open1 < close0 < close1 - half
    found[DARK_CLOUD_COVER] = -100.0 if cover else 0.0
    rebound = not white1 and white0 and long1 and open0 < low1
    found[PIERCING] = 100.0 if rebound and long0 and close1 + half < close0 < open1 else 0.0
    found[THRUSTING] = -100.0 if rebound and close1 + equal1 < close0 <= close1 + half else 0.0
    found[IN_NECK] = -100.0 if rebound and close1 <= close0 <= close1 + equal1 else 0.0
    found[ON_NECK] = -100.0 if rebound and low1 - equal1 <= close0 <= low1 + equal1 else 0.0
