"""What each bot earned per day, and how alike any two are: pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import combinations
from math import sqrt

from domain.bars import Split

FEWEST_DAYS = 20


@dataclass(frozen=True, slots=True)
class BotFill:
    """One fill of a bot; `quantity` is signed."""

    bot: str
    instrument_id: int
    executed_at: datetime
    quantity: float
    price: float
    fee: float


@dataclass(frozen=True, slots=True)
class Mark:
    """The last close of a day; the bar it belongs to opened at `opened_at`."""

    day: date
    opened_at: datetime
    close: float


@dataclass(frozen=True, slots=True)
class Pair:
    """How alike two bots are: None with the reason where nothing can be said."""

    one: str
    other: str
    days: int
    correlation: float | None
    note: str


def daily_profits(
    fills: Sequence[BotFill],
    marks: Mapping[int, Sequence[Mark]],
    splits: Mapping[int, Sequence[Split]],
    multipliers: Mapping[int, float],
) -> dict[str, dict[date, float]]:
    """Return each bot's profit per marked day since its first fill, fees paid.

    Prices and quantities are counted in the units of after the last split.
    """
    by_place: dict[tuple[str, int], list[BotFill]] = {}
    for fill in sorted(fills, key=lambda one: one.executed_at):
        ratio = _ratio(splits.get(fill.instrument_id, ()), fill.executed_at)
        adjusted = replace(fill, quantity=fill.quantity * ratio, price=fill.price / ratio)
        by_place.setdefault((fill.bot, fill.instrument_id), []).append(adjusted)
    found: dict[str, dict[date, float]] = {}
    for (bot, instrument), own in by_place.items():
        closes = [
            (mark.day, mark.close / _ratio(splits.get(instrument, ()), mark.opened_at))
            for mark in marks.get(instrument, ())
        ]
        days = found.setdefault(bot, {})
        for day, profit in _profits(own, closes, multipliers[instrument]):
            days[day] = days.get(day, 0.0) + profit
    return found


def _ratio(splits: Sequence[Split], at: datetime) -> float:
    """Return how many of today's shares one of then has become."""
    ratio = 1.0
    for split in splits:
        if split.effective_at > at:
            ratio *= split.ratio
    return ratio


def _profits(
    fills: Sequence[BotFill], closes: Sequence[tuple[date, float]], multiplier: float
) -> Iterator[tuple[date, float]]:
    """Yield the profit of each marked day from the first fill on."""
    held, before, place = 0.0, None, 0
    for day, close in closes:
        is_open = place > 0
        profit = held * (close - before) * multiplier if before is not None else 0.0
        while place < len(fills) and fills[place].executed_at.date() <= day:
            fill = fills[place]
            if before is not None or fill.executed_at.date() == day:
                profit += fill.quantity * (close - fill.price) * multiplier - fill.fee
            held += fill.quantity
            place += 1
        if is_open or place > 0:
            yield day, profit
        before = close


def correlations(profits: Mapping[str, Mapping[date, float]]) -> list[Pair]:
    """Return Pearson's correlation of every two bots over the days that both have."""
    return [
        pair_of(one, other, profits[one], profits[other])
        for one, other in combinations(sorted(profits), 2)
    ]


def pair_of(one: str, other: str, mine: Mapping[date, float], its: Mapping[date, float]) -> Pair:
    """Return how alike two bots are on the days that both have."""
    common = sorted(mine.keys() & its.keys())
    if len(common) < FEWEST_DAYS:
        return Pair(one, other, len(common), None, "too few days")
    value = pearson([mine[day] for day in common], [its[day] for day in common])
    return Pair(one, other, len(common), value, "" if value is not None else "nothing moved")


def pearson(xs: Sequence[float], ys: Sequence[float]) -> float | None:
    """Return the correlation in -1…+1, None where one of the two never moves."""
    x_mean, y_mean = sum(xs) / len(xs), sum(ys) / len(ys)
    x_off, y_off = [x - x_mean for x in xs], [y - y_mean for y in ys]
    x_size, y_size = sqrt(sum(x * x for x in x_off)), sqrt(sum(y * y for y in y_off))
    if not x_size or not y_size:
        return None
    value = sum(x / x_size * (y / y_size) for x, y in zip(x_off, y_off, strict=True))
    return max(-1.0, min(1.0, value))
