"""A worker that keeps its fold, one that rebuilds it, and the batch: the same bits, one hash."""

import math
import random
from bisect import bisect_left

import pytest

from domain.bars import Bar, Split, Timeframe, series_of
from domain.signals import DEFAULT_WEIGHTS
from marketdata.indicators.blocks import indicator_matrix
from marketdata.indicators.fold import Block, BlockFold, block_of
from marketdata.indicators.registry import indicator_set
from mlweights.scoring import weigh
from tests.marketdata.indicators import suite

CHOSEN = indicator_set(DEFAULT_WEIGHTS.names)


def split_market(timeframe: Timeframe) -> tuple[tuple[Bar, ...], tuple[Split, ...]]:
    """Return real prices as bars of `timeframe`, with two splits, one of them 3 for 2."""
    bars = suite.bars_at(suite.daily_bars("MSFT")[:2600], timeframe)
    return bars, (Split(bars[1510].opened_at, 1.5), Split(bars[2100].opened_at, 2.0))


def rebuilt(bars: tuple[Bar, ...], place: int, block: Block) -> BlockFold:
    begin = bisect_left(bars, block.period_start, key=lambda bar: bar.opened_at)
    fold = BlockFold(CHOSEN, block, bars[:begin])
    for bar in bars[begin : place + 1]:
        fold.step(bar)
    return fold


def row_of(values: list[float]) -> tuple[float | None, ...]:
    return tuple(None if math.isnan(value) else value for value in values)


@pytest.mark.parametrize("timeframe", [Timeframe.M1, Timeframe.M5, Timeframe.H1, Timeframe.D1])
def test_kept_fold_when_compared_with_rebuilt_and_batch_has_equal_bits_and_hash(
    timeframe: Timeframe,
) -> None:
    bars, splits = split_market(timeframe)
    matrix = indicator_matrix(series_of(bars), timeframe, CHOSEN, splits)
    looked_at = set(random.Random(11).sample(range(len(bars)), 30)) | {1509, 1510, 2099, 2100}
    kept, blocks = None, 0
    for place, bar in enumerate(bars):
        block = block_of(timeframe, bar.opened_at, splits)
        if kept is None or kept.block != block:
            kept, blocks = rebuilt(bars, place, block), blocks + 1
        else:
            kept.step(bar)
        assert kept.raw == row_of(matrix.raw[place].tolist())
        assert kept.normalised == row_of(matrix.normalised[place].tolist())
        if place in looked_at:
            fresh = rebuilt(bars, place, block)
            assert (fresh.raw, fresh.normalised) == (kept.raw, kept.normalised)
            assert (fresh.bars_hash, fresh.bars_from) == (kept.bars_hash, kept.bars_from)
    assert blocks >= 4  # two splits and at least one new period


def test_score_when_weighed_live_and_from_the_matrix_is_the_same_integer() -> None:
    bars, splits = split_market(Timeframe.D1)
    matrix = indicator_matrix(series_of(bars), Timeframe.D1, CHOSEN, splits)
    for place in random.Random(12).sample(range(len(bars)), 20):
        block = block_of(Timeframe.D1, bars[place].opened_at, splits)
        live = weigh(rebuilt(bars, place, block).normalised, DEFAULT_WEIGHTS)
        assert live == weigh(matrix.normalised[place].tolist(), DEFAULT_WEIGHTS)
