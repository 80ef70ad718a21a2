"""Price action against a second opinion: lists of objects, searched from scratch at every bar."""

import random
from dataclasses import dataclass
from datetime import timedelta
from functools import cache

import numpy as np
import pytest

from domain.bars import Bar
from marketdata.indicators.fair_value_gaps import FairValueGapsParams, fair_value_gaps
from marketdata.indicators.liquidity_zones import LiquidityZonesParams, liquidity_zones
from marketdata.indicators.market_structure import MarketStructureParams, market_structure
from marketdata.indicators.order_blocks import OrderBlocksParams, order_blocks
from marketdata.indicators.registry import Indicator
from marketdata.indicators.support_resistance import SupportResistanceParams, support_resistance
from tests.marketdata.indicators import suite

DAY = timedelta(days=1)
SYMBOLS = ("AAPL", "IBM", "coarse")
every_symbol = pytest.mark.parametrize("symbol", SYMBOLS)


@cache
def history(symbol: str) -> tuple[Bar, ...]:
    """Return 700 bars: real ones, or a made market of whole prices, full of equal highs."""
    if symbol != "coarse":
        return suite.daily_bars(symbol)[:700]
    chance, rows, close = random.Random(3), [], 60
    for _ in range(700):
        open_ = close + chance.choice((-1, 0, 0, 0, 1))
        close = max(20, open_ + chance.randint(-3, 3))
        high, low = (
            max(open_, close) + chance.randint(0, 1),
            min(open_, close) - chance.choice((0, 1)),
        )
        rows.append((float(open_), float(high), float(low), float(close)))
    return drawn(rows)


def drawn(rows: list[tuple[float, float, float, float]]) -> tuple[Bar, ...]:
    """Return daily bars with these opens, highs, lows and closes."""
    return tuple(
        Bar(suite.START + place * DAY, suite.START + (place + 1) * DAY, *row, 1.0)
        for place, row in enumerate(rows)
    )


def assert_equal_rows(
    indicator: Indicator, bars: tuple[Bar, ...], theirs: list[tuple[float, ...]]
) -> None:
    """Compare from the warm-up on: the second opinion knows the bars before too."""
    ours = suite.rows_over(indicator, bars)
    assert len(ours) == len(theirs)
    begin = indicator.warmup
    np.testing.assert_allclose(ours[begin:], theirs[begin:], rtol=1e-9, atol=1e-12)


def squashed(value: float, scale: float) -> float:
    return 0.0 if value == 0.0 else value / (abs(value) + scale)


def mean_range(bars: tuple[Bar, ...]) -> float:
    return sum(bar.high - bar.low for bar in bars) / len(bars)


@dataclass(frozen=True)
class Swing:
    place: int
    price: float


def swing_highs(bars: tuple[Bar, ...], left: int, right: int) -> list[Swing]:
    """Return the swing highs that the last of these bars confirms or finds confirmed."""
    return [
        Swing(p, bars[p].high)
        for p in range(left, len(bars) - right)
        if all(bar.high < bars[p].high for bar in bars[p - left : p])
        and max(bar.high for bar in bars[p : p + right + 1]) == bars[p].high
    ]


def mirrored(bars: tuple[Bar, ...]) -> tuple[Bar, ...]:
    """Return the bars upside down: rises are falls, highs are lows."""
    return drawn([(-bar.open, -bar.low, -bar.high, -bar.close) for bar in bars])


# Fair value gaps


def gaps_at(bars: tuple[Bar, ...], life: int) -> list[tuple[float, float]]:
    """Return (bottom, top) of what is left of each bullish gap, the newest first."""
    found = []
    for third in range(len(bars) - 1, max(1, len(bars) - 1 - life), -1):
        bottom = bars[third - 2].high
        top = min(bar.low for bar in bars[third:])
        if top > bottom:
            found.append((bottom, top))
    return found


@every_symbol
@pytest.mark.parametrize("life", [100, 7])
def test_fair_value_gaps_when_searched_from_scratch_agree(symbol: str, life: int) -> None:
    bars = history(symbol)
    flipped = mirrored(bars)
    theirs = []
    for end in range(1, len(bars) + 1):
        bullish = gaps_at(bars[:end], life)
        bearish = [(-top, -bottom) for bottom, top in gaps_at(flipped[:end], life)]
        close = bars[end - 1].close
        up, down = (sum(top - bottom for bottom, top in one) for one in (bullish, bearish))
        whole = up + down + mean_range(bars[max(0, end - life) : end])
        theirs.append(
            (
                up - down,
                bullish[0][1] if bullish else close,
                bearish[0][0] if bearish else close,
                len(bullish),
                len(bearish),
                (up - down) / whole,
            )
        )
    assert_equal_rows(fair_value_gaps(FairValueGapsParams(life)), bars, theirs)


def test_fair_value_gap_when_drawn_opens_shrinks_and_is_filled() -> None:
    bars = drawn(
        [
            (10.0, 11.0, 9.0, 10.0),
            (10.0, 11.0, 9.0, 10.0),
            (10.0, 11.0, 10.0, 11.0),  # the first: high 11
            (11.0, 14.0, 11.0, 14.0),
            (14.0, 15.0, 13.0, 15.0),  # the third: low 13, so 11…13 is untraded
            (15.0, 15.0, 12.0, 14.0),  # fills it down to 12
            (14.0, 15.0, 11.0, 12.0),  # touches 11: filled
        ]
    )
    rows = suite.rows_over(fair_value_gaps(FairValueGapsParams(3)), bars)
    assert [row[:5] for row in rows[4:]] == [
        (2.0, 13.0, 15.0, 1.0, 0.0),
        (1.0, 12.0, 14.0, 1.0, 0.0),
        (0.0, 12.0, 12.0, 0.0, 0.0),
    ]
    assert rows[4][5] == 2.0 / (2.0 + (1.0 + 3.0 + 2.0) / 3.0)


# Market structure


@every_symbol
@pytest.mark.parametrize(("left", "right", "life"), [(5, 5, 100), (2, 3, 12)])
def test_market_structure_when_searched_from_scratch_agrees(
    symbol: str, left: int, right: int, life: int
) -> None:
    bars = history(symbol)
    flipped = mirrored(bars)
    # each break: the bar, its side, its force
    breaks = sorted(
        [(now, 1.0, force) for now, force in upward_breaks(bars, left, right, life)]
        + [(now, -1.0, force) for now, force in upward_breaks(flipped, left, right, life)]
    )
    tops, bottoms = swing_highs(bars, left, right), swing_highs(flipped, left, right)
    theirs = []
    for now, bar in enumerate(bars):
        recent = [one for one in breaks if now - life < one[0] <= now]
        before = [one for one in breaks if now - life < one[0] < now]
        side = recent[-1][1] if recent else 0.0
        event = 0.0
        if recent and recent[-1][0] == now:
            turned = bool(before) and before[-1][1] == -side
            event = 2.0 * side if turned else side
        value = 0.0
        if recent:
            place, _, force = recent[-1]
            value = side * (1.0 - (now - place) / life) * (0.5 + 0.5 * force)
        known = [
            [one for one in swings if now - life < one.place + right <= now]
            for swings in (tops, bottoms)
        ]
        top = known[0][-1].price if known[0] else bar.close
        bottom = -known[1][-1].price if known[1] else bar.close
        theirs.append((side, event, top, bottom, value))
    assert_equal_rows(market_structure(MarketStructureParams(left, right, life)), bars, theirs)


def upward_breaks(
    bars: tuple[Bar, ...], left: int, right: int, life: int
) -> list[tuple[int, float]]:
    """Return the bars that first close above the swing high then standing, and their force."""
    swings, found = swing_highs(bars, left, right), []
    for place, swing in enumerate(swings):
        begin = swing.place + right + 1
        end = swing.place + right + life
        if place + 1 < len(swings):  # a bar that confirms the next swing still faces this one
            end = min(end, swings[place + 1].place + right + 1)
        above = [now for now in range(begin, min(end, len(bars))) if bars[now].close > swing.price]
        if above:
            window = bars[above[0] - left - right : above[0] + 1]
            found.append(
                (above[0], squashed(bars[above[0]].close - swing.price, mean_range(window)))
            )
    return found


def test_market_structure_when_drawn_breaks_and_changes_character() -> None:
    closes = [10.0, 12.0, 11.0, 13.0, 12.0, 14.0, 11.5]
    bars = suite.made_bars(closes)
    rows = suite.rows_over(market_structure(MarketStructureParams(1, 1, 10)), bars)
    # swing high 12 is known at bar 2 and broken at bar 3; low 11, known there; high 13 broken at
    # bar 5, the same side; low 12, known then, is lost at bar 6: the other side
    assert [row[:4] for row in rows[2:]] == [
        (0.0, 0.0, 12.0, 11.0),
        (1.0, 1.0, 12.0, 11.0),
        (1.0, 0.0, 13.0, 11.0),
        (1.0, 1.0, 13.0, 12.0),
        (-1.0, -2.0, 14.0, 12.0),
    ]


@pytest.mark.parametrize("right", [1, 3, 5])
def test_swing_when_not_yet_confirmed_never_counts(right: int) -> None:
    peak = 6
    closes = [10.0 + place for place in range(peak + 1)]
    closes += [closes[-1] - 0.5 * (place + 1) for place in range(8)]
    bars = suite.made_bars(closes)
    rows = suite.rows_over(market_structure(MarketStructureParams(1, right, 50)), bars)
    for now in range(1 + right, len(bars)):
        known = closes[peak] if now >= peak + right else closes[now]
        assert rows[now][2] == known, now


# Order blocks


def blocks_made(bars: tuple[Bar, ...], params: OrderBlocksParams) -> list[tuple[int, float, float]]:
    """Return (bar, top, bottom) of every bullish block, when it was made."""
    found = []
    breaks = upward_breaks(bars, params.left, params.right, params.life + 1)
    for now, _ in breaks:
        against = [bar for bar in bars[max(0, now - params.reach) : now] if bar.close < bar.open]
        if not against:
            continue
        leap = bars[now].close - against[-1].high
        if leap > 0.0 and leap >= params.impulse * mean_range(around(bars, now, params)):
            found.append((now, against[-1].high, against[-1].low))
    return found


def around(bars: tuple[Bar, ...], now: int, params: OrderBlocksParams) -> tuple[Bar, ...]:
    return bars[max(0, now - max(params.left + params.right, params.reach)) : now + 1]


@every_symbol
@pytest.mark.parametrize(
    "params", [OrderBlocksParams(), OrderBlocksParams(2, 1, 4, 40, 0.3)], ids=["usual", "quick"]
)
def test_order_blocks_when_searched_from_scratch_agree(
    symbol: str, params: OrderBlocksParams
) -> None:
    bars = history(symbol)
    views = [(view, blocks_made(view, params)) for view in (bars, mirrored(bars))]
    theirs, met = [], 0
    for now in range(len(bars)):
        scale = mean_range(around(bars, now, params))
        edges, balance = [], 0.0
        for side, (view, made) in zip((1.0, -1.0), views, strict=True):
            standing = [
                (top, bottom)
                for born, top, bottom in made
                if now - params.life < born <= now
                and all(later.low > top for later in view[born + 1 : now + 1])
            ]
            met += len([one for one in made if one[0] <= now]) - len(standing)
            top, bottom = max(standing, default=(view[now].close, view[now].close))
            edges += [side * top, side * bottom]
            if standing:
                balance += side * (1.0 - squashed(view[now].close - top, 5.0 * scale))
        theirs.append((balance, *edges, balance))
    assert met
    assert_equal_rows(order_blocks(params), bars, theirs)


def test_order_block_when_drawn_stands_until_its_top_is_touched() -> None:
    bars = drawn(
        [
            (10.0, 11.0, 9.0, 10.5),
            (10.5, 13.0, 10.0, 12.0),  # swing high 13
            (12.0, 12.0, 10.0, 10.5),  # the block: the last that closed down
            (10.5, 14.0, 10.5, 14.0),  # breaks 13
            (14.0, 16.0, 13.0, 15.0),
            (15.0, 15.0, 12.0, 13.0),  # touches 12
        ]
    )
    rows = suite.rows_over(order_blocks(OrderBlocksParams(1, 1, 2, 10, 0.5)), bars)
    assert [row[1:3] for row in rows[2:]] == [
        (10.5, 10.5),
        (12.0, 10.0),
        (12.0, 10.0),
        (13.0, 13.0),
    ]


# Liquidity zones


@every_symbol
@pytest.mark.parametrize(
    "params",
    [LiquidityZonesParams(), LiquidityZonesParams(1, 2, 30, 5, 0.2)],
    ids=["usual", "quick"],
)
def test_liquidity_zones_when_searched_from_scratch_agree(
    symbol: str, params: LiquidityZonesParams
) -> None:
    bars = history(symbol)
    views = (bars, mirrored(bars))
    lows = [swing_highs(mirrored(view), params.left, params.right) for view in views]
    theirs, sweeps = [], []
    for now in range(len(bars)):
        sweep, zones, counts = 0.0, [], []
        window = bars[max(0, now - params.left - params.right) : now + 1]
        for side, view, swings in zip((1.0, -1.0), views, lows, strict=True):
            known = [
                (one.place + params.right, -one.price)
                for one in swings
                if now - params.life < one.place + params.right <= now
            ]
            before = [
                price
                for seen, price in known
                if seen < now and all(late.low >= price for late in view[seen + 1 : now])
            ]
            sweep += side * sum(view[now].low < price < view[now].close for price in before)
            standing = [
                price
                for seen, price in known
                if all(late.low >= price for late in view[seen + 1 : now + 1])
            ]
            within = params.tolerance * mean_range(window)
            zone = [one for one in standing if max(standing) - one <= within]
            zones.append(side * min(zone, default=view[now].close))
            counts.append(len(zone))
        if sweep:
            sweeps.append((now, sweep))
        value = 0.0
        if sweeps and now - sweeps[-1][0] < params.fade:
            place, swept = sweeps[-1]
            value = swept / (abs(swept) + 1.0) * (1.0 - (now - place) / params.fade)
        theirs.append((sweep, *zones, *counts, value))
    assert {1.0, -1.0} <= {np.sign(sweep) for _, sweep in sweeps}
    assert_equal_rows(liquidity_zones(params), bars, theirs)


def test_sweep_when_drawn_below_two_equal_lows_is_bullish() -> None:
    bars = drawn(
        [
            (12.0, 12.0, 11.0, 12.0),
            (12.0, 12.0, 10.0, 11.0),  # low 10
            (11.0, 12.0, 11.0, 12.0),
            (12.0, 12.0, 10.0, 11.0),  # and again
            (11.0, 12.0, 11.0, 11.5),
            (11.5, 12.0, 9.0, 11.0),  # below both, and back
            (11.0, 11.5, 10.0, 11.0),
        ]
    )
    params = LiquidityZonesParams(1, 1, 20, 10, 0.5)
    rows = suite.rows_over(liquidity_zones(params), bars)
    assert [(row[0], row[1], row[3]) for row in rows[2:]] == [
        (0.0, 10.0, 1.0),
        (0.0, 10.0, 1.0),
        (0.0, 10.0, 2.0),
        (2.0, 11.0, 0.0),
        (0.0, 9.0, 1.0),
    ]
    assert [row[5] for row in rows[5:]] == [2.0 / 3.0, 2.0 / 3.0 * 0.9]


# Support and resistance


@every_symbol
@pytest.mark.parametrize(
    "params",
    [SupportResistanceParams(), SupportResistanceParams(2, 3, 60, 3, 0.4)],
    ids=["usual", "quick"],
)
def test_support_and_resistance_when_clustered_from_scratch_agree(
    symbol: str, params: SupportResistanceParams
) -> None:
    bars = history(symbol)
    highs = swing_highs(bars, params.left, params.right)
    lows = swing_highs(mirrored(bars), params.left, params.right)
    swings = highs + [Swing(one.place, -one.price) for one in lows]
    theirs = []
    for now, bar in enumerate(bars):
        within = params.tolerance * mean_range(
            bars[max(0, now - params.left - params.right) : now + 1]
        )
        rest = sorted(
            one.price for one in swings if now - params.life < one.place + params.right <= now
        )
        levels = []
        while rest:
            cluster = [price for price in rest if price - rest[0] <= within]
            rest = rest[len(cluster) :]
            if len(cluster) >= params.touches:
                levels.append((sum(cluster) / len(cluster), len(cluster)))
        support, below = max((one for one in levels if one[0] <= bar.close), default=(bar.close, 0))
        resistance, above = min(
            (one for one in levels if one[0] > bar.close), default=(bar.close, 0)
        )
        if below and above:
            position = (bar.close - support) / (resistance - support)
        else:
            position = 0.5 + 0.5 * bool(below) - 0.5 * bool(above)
        theirs.append((position, support, resistance, below, above, 2.0 * position - 1.0))
    assert_equal_rows(support_resistance(params), bars, theirs)


def test_support_and_resistance_when_drawn_lie_where_the_swings_were() -> None:
    closes = [10.0, 12.0, 10.0, 12.0, 10.0, 12.0, 11.0]
    rows = suite.rows_over(
        support_resistance(SupportResistanceParams(1, 1, 20, 2, 1.0)), suite.made_bars(closes)
    )
    # lows 10 are known at bars 3 and 5, highs 12 at bars 2, 4 and 6
    assert [row[:5] for row in rows[2:]] == [
        (0.5, 10.0, 10.0, 0.0, 0.0),
        (0.5, 12.0, 12.0, 0.0, 0.0),
        (0.0, 10.0, 12.0, 0.0, 2.0),
        (1.0, 12.0, 12.0, 2.0, 0.0),
        (0.5, 10.0, 12.0, 2.0, 3.0),
    ]
