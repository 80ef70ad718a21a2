"""Blocks, anchors, splits, and what a fold says about the bars it used."""

import hashlib
import struct
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from domain.bars import Bar, Split, Timeframe, from_micros, period_start, series_of, to_micros
from marketdata.indicators.blocks import indicator_matrix
from marketdata.indicators.columns import CLOSE, VOLUME
from marketdata.indicators.fold import (
    BarOrderError,
    Block,
    BlockFold,
    Panel,
    UnusableBarError,
    block_of,
    lead_length,
    step_together,
)
from marketdata.indicators.registry import Indicator, IndicatorParams, indicator_set
from tests.marketdata.indicators import suite

BARS = suite.daily_bars("AAPL")
SPLITS = (
    Split(datetime(2000, 6, 21, tzinfo=UTC), 2.0),
    Split(datetime(2005, 2, 28, tzinfo=UTC), 2.0),
)


def planted(name: str, kernel, warmup: int = 0) -> Indicator:
    return Indicator(
        name=name,
        family="trend",
        inputs=("close", "volume"),
        outputs=(name, "volume"),
        params=IndicatorParams(),
        first_value=0,
        warmup=warmup,
        kernel=kernel,
        size=1,
    )


def count_kernel(bars, start, first, last, _state, _numbers, out):
    for i in range(first, last):
        out[0, i - first] = i - start + 1.0
        out[1, i - first] = out[2, i - first] = 0.0


def close_kernel(bars, _start, first, last, _state, _numbers, out):
    for i in range(first, last):
        out[0, i - first] = bars[CLOSE, i]
        out[1, i - first] = bars[VOLUME, i]
        out[2, i - first] = 0.0


def first_close_kernel(bars, start, first, last, state, _numbers, out):
    for i in range(first, last):
        if i == start:
            state[0] = bars[CLOSE, i]
        out[0, i - first] = state[0]
        out[1, i - first] = out[2, i - first] = 0.0


def counting(name: str, warmup: int) -> Indicator:
    """Return an indicator that counts the bars it was stepped over."""
    return planted(name, count_kernel, warmup)


def closing() -> Indicator:
    return planted("closing", close_kernel)


def first_close() -> Indicator:
    return planted("first", first_close_kernel)


def fold_at(place: int, indicators: tuple[Indicator, ...], splits: tuple[Split, ...] = ()):
    """Return a fold rebuilt from its anchor up to the bar at `place`."""
    block = block_of(Timeframe.D1, BARS[place].opened_at, splits)
    begin = next(i for i, bar in enumerate(BARS) if bar.opened_at >= block.period_start)
    fold = BlockFold(indicators, block, BARS[:begin])
    for bar in BARS[begin : place + 1]:
        fold.step(bar)
    return fold


def test_block_when_splits_come_later_leaves_them_out() -> None:
    opened = datetime(2004, 5, 3, tzinfo=UTC)
    block = block_of(Timeframe.D1, opened, SPLITS[::-1])
    assert block == Block(datetime(2004, 1, 1, tzinfo=UTC), (SPLITS[0],))


def test_block_when_a_split_takes_effect_changes_within_the_period() -> None:
    day = SPLITS[1].effective_at
    before = block_of(Timeframe.D1, day - timedelta(microseconds=1), SPLITS)
    after = block_of(Timeframe.D1, day, SPLITS)
    assert before.period_start == after.period_start
    assert (before.splits, after.splits) == (SPLITS[:1], SPLITS)


def test_fold_when_warm_ups_differ_begins_each_indicator_at_its_own_anchor() -> None:
    short, long = counting("short", 5), counting("long", 40)
    block = block_of(Timeframe.D1, datetime(2004, 1, 2, tzinfo=UTC))
    begin = next(i for i, bar in enumerate(BARS) if bar.opened_at >= block.period_start)
    fold = BlockFold((short, long), block, BARS[:begin])
    fold.step(BARS[begin])
    assert fold.raw == (6.0, 41.0)
    assert fold.bars_from == BARS[begin - 40].opened_at
    assert fold.last_opened_at == BARS[begin].opened_at


def test_fold_when_history_is_short_begins_at_the_first_bar() -> None:
    fold = fold_at(3, indicator_set())
    assert fold.bars_from == BARS[0].opened_at
    # only the parabolic stop speaks after four bars
    assert [value is None for value in fold.raw] == [True, True, True, True, False, True]
    assert [value is None for value in fold.normalised] == [True, True, True, True, False, True]


def test_fold_when_empty_has_no_value() -> None:
    fold = BlockFold(indicator_set(), block_of(Timeframe.D1, BARS[0].opened_at))
    assert (fold.raw, fold.normalised) == ((None,) * 6, (None,) * 6)
    assert (fold.bars_from, fold.last_opened_at) == (None, None)


def test_fold_when_lead_is_longer_than_needed_uses_the_same_bars() -> None:
    chosen = indicator_set(("bollinger", "parabolic_sar"))
    wanted = lead_length(chosen)
    block = block_of(Timeframe.D1, datetime(2004, 1, 2, tzinfo=UTC))
    begin = next(i for i, bar in enumerate(BARS) if bar.opened_at >= block.period_start)
    long, exact = (
        BlockFold(chosen, block, lead) for lead in (BARS[:begin], BARS[begin - wanted : begin])
    )
    assert (long.raw, long.bars_hash, long.bars_from) == (
        exact.raw,
        exact.bars_hash,
        exact.bars_from,
    )
    shorter = BlockFold(chosen, block, BARS[begin - wanted + 1 : begin])
    assert shorter.bars_hash != long.bars_hash


def test_fold_when_a_split_is_effective_divides_earlier_bars_only() -> None:
    place = next(i for i, bar in enumerate(BARS) if bar.opened_at >= SPLITS[1].effective_at)
    block = block_of(Timeframe.D1, BARS[place].opened_at, SPLITS)
    begin = next(i for i, bar in enumerate(BARS) if bar.opened_at >= block.period_start)
    fold = BlockFold((closing(),), block, BARS[:begin])
    for bar in BARS[begin:place]:
        fold.step(bar)
        assert fold.outputs(0) == (bar.close / 2.0, bar.volume * 2.0)
    fold.step(BARS[place])
    assert fold.outputs(0) == (BARS[place].close, BARS[place].volume)
    lead = BlockFold((planted("closing", close_kernel, 10),), block, BARS[:begin])
    assert lead.outputs(0) == (BARS[begin - 1].close / 2.0, BARS[begin - 1].volume * 2.0)


def test_fold_when_splits_follow_each_other_multiplies_their_ratios() -> None:
    early = suite.made_bars([120.0, 121.0, 40.0, 10.0])
    splits = (Split(early[2].opened_at, 3.0), Split(early[3].opened_at, 4.0))
    matrix = indicator_matrix(series_of(early), Timeframe.D1, (closing(),), splits)
    # each bar sees itself undivided: its own splits are already in its price
    assert matrix.raw[:, 0].tolist() == [120.0, 121.0, 40.0, 10.0]
    oldest = indicator_matrix(series_of(early), Timeframe.D1, (first_close(),), splits)
    assert oldest.raw[:, 0].tolist() == [120.0, 120.0, 40.0, 10.0]


def test_matrix_when_splits_are_powers_of_two_equals_bars_adjusted_beforehand() -> None:
    series = series_of(BARS)
    place = next(i for i, bar in enumerate(BARS) if bar.opened_at >= SPLITS[1].effective_at)
    matrix = indicator_matrix(series, Timeframe.D1, indicator_set(), SPLITS)
    adjusted = [
        replace(
            bar,
            open=bar.open / ratio,
            high=bar.high / ratio,
            low=bar.low / ratio,
            close=bar.close / ratio,
        )
        for bar in BARS
        for ratio in [4.0 if bar.opened_at < SPLITS[0].effective_at else
                      2.0 if bar.opened_at < SPLITS[1].effective_at else 1.0]
    ]  # fmt: skip
    plain = indicator_matrix(series_of(adjusted), Timeframe.D1, indicator_set())
    assert np.array_equal(matrix.raw[place:], plain.raw[place:], equal_nan=True)
    assert np.array_equal(matrix.normalised, plain.normalised, equal_nan=True)
    # the day of a split is no crash: the stop stays on its side
    assert np.sign(matrix.normalised[place, 5]) == np.sign(matrix.normalised[place - 1, 5])


def test_matrix_when_a_later_split_is_known_changes_nothing_before_it() -> None:
    series, first = series_of(BARS), SPLITS[0].effective_at
    place = next(i for i, bar in enumerate(BARS) if bar.opened_at >= SPLITS[1].effective_at)
    knowing = indicator_matrix(series[:place], Timeframe.D1, indicator_set(), SPLITS)
    unknowing = indicator_matrix(series[:place], Timeframe.D1, indicator_set(), SPLITS[:1])
    assert np.array_equal(knowing.raw, unknowing.raw, equal_nan=True)
    assert first < from_micros(series.opened_at[place])


def test_matrix_when_series_is_empty_has_no_rows() -> None:
    matrix = indicator_matrix(series_of([]), Timeframe.D1, indicator_set())
    assert (matrix.raw.shape, matrix.normalised.shape) == ((0, 6), (0, 6))


def test_matrix_when_values_jump_at_an_anchor_shows_warm_ups_are_enough() -> None:
    """A period's first row, begun at the anchor, equals the fold over all history."""
    bars = suite.daily_bars("IBM")
    matrix = indicator_matrix(series_of(bars), Timeframe.D1, indicator_set())
    later = [i for i, bar in enumerate(bars) if bar.opened_at.year >= 2008]
    for column, indicator in enumerate(indicator_set()):
        whole = suite.fold_over(indicator, bars)
        got = list(zip(matrix.raw[later, column], matrix.normalised[later, column], strict=True))
        assert got == [whole[place] for place in later], indicator.name


def test_bars_hash_when_worked_by_hand_matches() -> None:
    bars = suite.made_bars([10.0, 11.0])
    block = block_of(Timeframe.D1, bars[0].opened_at, (Split(bars[0].opened_at, 2.0),))
    fold = BlockFold((closing(),), block)
    fold.step(bars[0])
    fold.step(replace(bars[1], volume=None))
    start = to_micros(period_start(Timeframe.D1, bars[0].opened_at))
    stated = struct.pack("<qqqd", start, 1, to_micros(bars[0].opened_at), 2.0)
    for bar, volume in zip(bars, (1000.0, float("nan")), strict=True):
        instants = to_micros(bar.opened_at), to_micros(bar.closed_at)
        prices = bar.open, bar.high, bar.low, bar.close
        stated += struct.pack("<qq5d", *instants, *prices, volume)
    assert fold.bars_hash == hashlib.sha256(stated).hexdigest()


@pytest.mark.parametrize("field", ["open", "high", "low", "close", "volume"])
def test_bars_hash_when_any_used_value_changes_differs(field: str) -> None:
    bars = suite.walk_bars(30, seed=3)
    hashes = set()
    for change in (0.0, 1e-12):
        changed = [*bars]
        bar = changed[7]
        middle = 0.5 * (bar.high + bar.low)
        bar = replace(bar, open=middle, close=middle, volume=1.0)
        changed[7] = replace(bar, **{field: getattr(bar, field) + change})
        fold = BlockFold(indicator_set(), block_of(Timeframe.D1, bars[0].opened_at))
        for one in changed:
            fold.step(one)
        hashes.add(fold.bars_hash)
    assert len(hashes) == 2


def test_bars_hash_when_read_twice_goes_on_as_before() -> None:
    asked, unasked = fold_at(20, indicator_set()), fold_at(20, indicator_set())
    assert asked.bars_hash == asked.bars_hash
    asked.step(BARS[21])
    unasked.step(BARS[21])
    assert asked.bars_hash == unasked.bars_hash


def test_step_when_bar_is_not_later_is_refused_and_nothing_changes() -> None:
    fold = fold_at(20, indicator_set())
    before = (fold.raw, fold.bars_hash)
    for bar in (BARS[20], BARS[19]):
        with pytest.raises(BarOrderError, match="not after the last one"):
            fold.step(bar)
    assert (fold.raw, fold.bars_hash) == before


def test_step_when_the_bar_lies_before_the_period_is_refused() -> None:
    block = block_of(Timeframe.D1, datetime(2004, 1, 2, tzinfo=UTC))
    with pytest.raises(BarOrderError, match="not in the period"):
        BlockFold(indicator_set(), block).step(BARS[0])


def test_fold_when_built_over_all_its_bars_equals_one_stepped_over_them() -> None:
    block = block_of(Timeframe.D1, BARS[1500].opened_at, SPLITS)
    built = BlockFold(indicator_set(), block, BARS[:1501])
    stepped = fold_at(1500, indicator_set(), SPLITS)
    for what in ("values", "bars_hash", "bars_from", "last_opened_at"):
        assert getattr(built, what) == getattr(stepped, what), what


def test_fold_when_its_bars_do_not_rise_is_refused() -> None:
    block = block_of(Timeframe.D1, BARS[1].opened_at)
    with pytest.raises(BarOrderError, match="not after the last one"):
        BlockFold(indicator_set(), block, [BARS[1], BARS[0]])


def test_panel_when_more_folds_are_begun_than_it_has_slots_grows_and_keeps_each() -> None:
    panel = Panel(indicator_set(), slots=1, room=2)
    block = block_of(Timeframe.D1, BARS[0].opened_at)
    folds = [BlockFold(indicator_set(), block, BARS[: 5 + n], panel=panel) for n in range(5)]
    alone = [BlockFold(indicator_set(), block, BARS[: 5 + n]) for n in range(5)]
    for place in range(10, 60):
        step_together(folds, [BARS[place]] * 5)
        for one, other in zip(folds, alone, strict=True):
            other.step(BARS[place])
            assert (one.values, one.bars_hash) == (
                other.values,
                other.bars_hash,
            )
    folds[2].leave()
    again = BlockFold(indicator_set(), block, BARS[:9], panel=panel)
    assert again.raw == BlockFold(indicator_set(), block, BARS[:9]).raw


@pytest.mark.parametrize(
    "prices",
    [
        (float("nan"), 2.0, 1.0, 1.5),
        (1.5, float("nan"), 1.0, 1.5),
        (1.5, 2.0, float("nan"), 1.5),
        (1.5, 2.0, 1.0, float("nan")),
        (1.5, float("inf"), 1.0, 1.5),
        (1.5, 1.0, 2.0, 1.5),
        (1.5, 2.0, 1.0, 2.5),
    ],
)
def test_step_when_prices_are_unusable_is_refused(prices: tuple[float, ...]) -> None:
    opened = datetime(2004, 1, 2, tzinfo=UTC)
    fold = BlockFold(indicator_set(), block_of(Timeframe.D1, opened))
    with pytest.raises(UnusableBarError):
        fold.step(Bar(opened, opened + timedelta(days=1), *prices, None))
    assert fold.last_opened_at is None


@pytest.mark.parametrize("ratio", [0.0, -2.0, float("nan"), float("inf")])
def test_fold_when_split_ratio_is_unusable_is_refused(ratio: float) -> None:
    opened = datetime(2004, 1, 2, tzinfo=UTC)
    with pytest.raises(UnusableBarError, match="ratio"):
        BlockFold(indicator_set(), block_of(Timeframe.D1, opened, [Split(opened, ratio)]))
