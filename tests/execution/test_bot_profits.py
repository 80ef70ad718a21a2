"""What bots earned per day, by hand; and how alike they are, against numpy."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from domain.bars import Split
from execution.bot_profits import BotFill, Mark, Pair, correlations, daily_profits, pearson

BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def marks(*closes: float) -> list[Mark]:
    """Return a mark per day from the first on."""
    return [
        Mark((BEGIN + DAY * place).date(), BEGIN + DAY * place, close)
        for place, close in enumerate(closes)
    ]


def fill(day: int, quantity: float, price: float, fee: float = 0.0, bot: str = "a") -> BotFill:
    """Return a fill at a day's open."""
    return BotFill(bot, 1, BEGIN + DAY * day, quantity, price, fee)


def days(*profits: float, first: int = 0) -> dict[date, float]:
    """Return profits by day."""
    return {(BEGIN + DAY * (first + place)).date(): one for place, one in enumerate(profits)}


def test_profit_when_held_over_days_is_the_move_and_fees_are_paid() -> None:
    fills = [fill(1, 10, 100.0, 1.0), fill(3, -10, 106.0, 2.0)]
    found = daily_profits(fills, {1: marks(99.0, 102.0, 101.0, 105.0, 110.0)}, {}, {1: 1.0})
    assert found == {"a": days(19.0, -10.0, 48.0, 0.0, first=1)}


def test_profit_when_split_counts_no_gain() -> None:
    split = {1: [Split(BEGIN + DAY * 2, 2.0)]}
    found = daily_profits(
        [fill(1, 10, 100.0)], {1: marks(99.0, 102.0, 51.0, 52.0)}, split, {1: 1.0}
    )
    assert found == {"a": days(20.0, 0.0, 20.0, first=1)}


def test_profit_when_bought_before_the_first_mark_counts_from_there() -> None:
    found = daily_profits([fill(-30, -2, 90.0, 5.0)], {1: marks(99.0, 97.0)}, {}, {1: 3.0})
    assert found == {"a": days(0.0, 12.0)}


def test_correlation_when_days_are_few_or_nothing_moves_says_so() -> None:
    flat, few = dict.fromkeys(days(*range(30)), 0.0), days(*range(19))
    assert correlations({"flat": flat, "few": few, "up": days(*range(30))}) == [
        Pair("few", "flat", 19, None, "too few days"),
        Pair("few", "up", 19, None, "too few days"),
        Pair("flat", "up", 30, None, "nothing moved"),
    ]


@pytest.mark.parametrize("seed", range(20))
def test_correlation_when_compared_with_numpy_is_equal(seed: int) -> None:
    chance = np.random.default_rng(seed)
    xs, ys = chance.normal(size=(2, 50)) * 10.0 ** float(chance.integers(-8, 8))
    assert pearson(list(xs), list(ys)) == pytest.approx(np.corrcoef(xs, ys)[0, 1], abs=1e-12)
    assert pearson(list(xs), list(-xs)) == pytest.approx(-1.0)
