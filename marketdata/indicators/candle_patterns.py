"""Candle patterns: TA-Lib's 61, one row each, and their balance at a bar."""

from dataclasses import dataclass
from functools import partial
from math import nan

from marketdata.indicators import candle_shapes_long as long
from marketdata.indicators import candle_shapes_short as short
from marketdata.indicators.candle_parts import LOOKBACK, RECENT, RING, WIDTH, measure
from marketdata.indicators.candle_shapes_long import COUNT, find_long
from marketdata.indicators.candle_shapes_short import SHORT_COUNT, find_short
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams
from marketdata.indicators.windows import held

INPUTS = ("open", "high", "low", "close")
# Five bars of a pattern, the first of them against ten before it: what TA-Lib's longest need.
BEFORE = 14
MARKS = WIDTH * RING
NONE = IndicatorParams()


@dataclass(frozen=True)
class Row:
    """One pattern: its place among those found, its name, and whether it points up or down."""

    place: int
    name: str
    is_directed: bool = True


# The names are TA-Lib's in small letters.
ROWS = (
    Row(short.DOJI, "cdl_doji", is_directed=False),
    Row(short.DRAGONFLY_DOJI, "cdl_dragonflydoji", is_directed=False),
    Row(short.GRAVESTONE_DOJI, "cdl_gravestonedoji", is_directed=False),
    Row(short.LONG_LEGGED_DOJI, "cdl_longleggeddoji", is_directed=False),
    Row(short.RICKSHAW_MAN, "cdl_rickshawman", is_directed=False),
    Row(short.TAKURI, "cdl_takuri", is_directed=False),
    Row(short.HIGH_WAVE, "cdl_highwave", is_directed=False),
    Row(short.SPINNING_TOP, "cdl_spinningtop", is_directed=False),
    Row(short.LONG_LINE, "cdl_longline"),
    Row(short.SHORT_LINE, "cdl_shortline"),
    Row(short.BELT_HOLD, "cdl_belthold"),
    Row(short.CLOSING_MARUBOZU, "cdl_closingmarubozu"),
    Row(short.MARUBOZU, "cdl_marubozu"),
    Row(short.HAMMER, "cdl_hammer"),
    Row(short.HANGING_MAN, "cdl_hangingman"),
    Row(short.INVERTED_HAMMER, "cdl_invertedhammer"),
    Row(short.SHOOTING_STAR, "cdl_shootingstar"),
    Row(short.DOJI_STAR, "cdl_dojistar"),
    Row(short.ENGULFING, "cdl_engulfing"),
    Row(short.HARAMI, "cdl_harami"),
    Row(short.HARAMI_CROSS, "cdl_haramicross"),
    Row(short.HOMING_PIGEON, "cdl_homingpigeon"),
    Row(short.MATCHING_LOW, "cdl_matchinglow"),
    Row(short.COUNTERATTACK, "cdl_counterattack"),
    Row(short.SEPARATING_LINES, "cdl_separatinglines"),
    Row(short.KICKING, "cdl_kicking"),
    Row(short.KICKING_BY_LENGTH, "cdl_kickingbylength"),
    Row(short.DARK_CLOUD_COVER, "cdl_darkcloudcover"),
    Row(short.PIERCING, "cdl_piercing"),
    Row(short.THRUSTING, "cdl_thrusting"),
    Row(short.IN_NECK, "cdl_inneck"),
    Row(short.ON_NECK, "cdl_onneck"),
    Row(long.TWO_CROWS, "cdl_2crows"),
    Row(long.UPSIDE_GAP_TWO_CROWS, "cdl_upsidegap2crows"),
    Row(long.THREE_INSIDE, "cdl_3inside"),
    Row(long.THREE_OUTSIDE, "cdl_3outside"),
    Row(long.MORNING_STAR, "cdl_morningstar"),
    Row(long.EVENING_STAR, "cdl_eveningstar"),
    Row(long.MORNING_DOJI_STAR, "cdl_morningdojistar"),
    Row(long.EVENING_DOJI_STAR, "cdl_eveningdojistar"),
    Row(long.ABANDONED_BABY, "cdl_abandonedbaby"),
    Row(long.TRISTAR, "cdl_tristar"),
    Row(long.THREE_WHITE_SOLDIERS, "cdl_3whitesoldiers"),
    Row(long.ADVANCE_BLOCK, "cdl_advanceblock"),
    Row(long.STALLED_PATTERN, "cdl_stalledpattern"),
    Row(long.IDENTICAL_THREE_CROWS, "cdl_identical3crows"),
    Row(long.THREE_STARS_IN_THE_SOUTH, "cdl_3starsinsouth"),
    Row(long.UNIQUE_THREE_RIVER, "cdl_unique3river"),
    Row(long.STICK_SANDWICH, "cdl_sticksandwich"),
    Row(long.GAP_SIDE_BY_SIDE_WHITE, "cdl_gapsidesidewhite"),
    Row(long.TASUKI_GAP, "cdl_tasukigap"),
    Row(long.GAP_THREE_METHODS, "cdl_xsidegap3methods"),
    Row(long.THREE_BLACK_CROWS, "cdl_3blackcrows"),
    Row(long.THREE_LINE_STRIKE, "cdl_3linestrike"),
    Row(long.CONCEALING_BABY_SWALLOW, "cdl_concealbabyswall"),
    Row(long.BREAKAWAY, "cdl_breakaway"),
    Row(long.LADDER_BOTTOM, "cdl_ladderbottom"),
    Row(long.MAT_HOLD, "cdl_mathold"),
    Row(long.RISE_FALL_THREE_METHODS, "cdl_risefall3methods"),
    Row(long.HIKKAKE, "cdl_hikkake"),
    Row(long.HIKKAKE_MOD, "cdl_hikkakemod"),
)
UNDIRECTED = tuple(float(not row.is_directed) for row in ROWS)


def candle(row: Row, params: IndicatorParams = NONE) -> Indicator:
    """Return the fold of one pattern: raw is TA-Lib's -200…200, normalised a hundredth of it."""
    return Indicator(
        name=row.name,
        family="candles",
        inputs=INPUTS,
        outputs=("pattern",),
        params=params,
        first_value=BEFORE,
        warmup=BEFORE,
        kernel=candle_kernel,
        numbers=(float(row.place), float(row.is_directed)),
        lookback=LOOKBACK,
        size=MARKS + COUNT,
        is_directed=row.is_directed,
    )


for one in ROWS:
    INDICATORS.add(one.name, partial(candle, one))


@INDICATORS.register("candle_patterns")
def candle_patterns(params: IndicatorParams = NONE) -> Indicator:
    """Return the fold: raw is the number of bullish patterns at the bar less that of bearish ones.

    Normalised is that over the number of both and one more.
    """
    return Indicator(
        name="candle_patterns",
        family="candles",
        inputs=INPUTS,
        outputs=("net", "bullish", "bearish", "undirected"),
        params=params,
        first_value=BEFORE,
        warmup=BEFORE,
        kernel=candle_patterns_kernel,
        numbers=UNDIRECTED,
        lookback=LOOKBACK,
        size=MARKS + COUNT,
    )


def candle_kernel(bars, start, first, last, state, numbers, out):  # type: ignore[no-untyped-def]
    """Find every pattern and take one: they share what they measure."""
    marks, found = state[:MARKS], state[MARKS:]
    place, is_directed = int(numbers[0]), numbers[1] > 0.0
    for i in range(max(first - RECENT, start), first):
        measure(bars, i, start, marks)
    for i in range(first, last):
        raw = normalised = nan
        measure(bars, i, start, marks)
        if i - start >= BEFORE:
            if place < SHORT_COUNT:
                find_short(bars, i, marks, found)
            else:
                find_long(bars, i, marks, found)
            raw = found[place]
            if is_directed:
                normalised = held(raw / 100.0, -1.0, 1.0)
        out[0, i - first] = raw
        out[1, i - first] = normalised


def candle_patterns_kernel(bars, start, first, last, state, numbers, out):  # type: ignore[no-untyped-def]
    """Find every pattern and count them."""
    marks, found = state[:MARKS], state[MARKS:]
    for i in range(max(first - RECENT, start), first):
        measure(bars, i, start, marks)
    for i in range(first, last):
        column = i - first
        measure(bars, i, start, marks)
        if i - start < BEFORE:
            for row in range(5):
                out[row, column] = nan
            continue
        find_short(bars, i, marks, found)
        find_long(bars, i, marks, found)
        bullish = bearish = undirected = 0.0
        for place in range(COUNT):
            if found[place] != 0.0 and numbers[place] > 0.0:
                undirected += 1.0
            elif found[place] > 0.0:
                bullish += 1.0
            elif found[place] < 0.0:
                bearish += 1.0
        out[0, column] = bullish - bearish
        out[1, column] = bullish
        out[2, column] = bearish
        out[3, column] = undirected
        out[4, column] = (bullish - bearish) / (bullish + bearish + 1.0)
