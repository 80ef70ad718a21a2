import numpy as np
import pytest

from domain.bars import BarSeries, Timeframe
from domain.errors import PlumblineError
from marketdata.pending_history import PendingHistory

MINUTE = 60_000_000
SECOND = 1_000_000
BEGIN = 28_000_000 * MINUTE


class AwayError(PlumblineError):
    """The provider does not answer."""


class NobodyError(PlumblineError):
    """Nobody has it."""

    code = "no_provider"


class Provider:
    """A provider whose bars of one minute appear as the test says."""

    def __init__(self) -> None:
        self.minutes: list[int] = []
        self.error: PlumblineError | None = None
        self.asked: list[tuple[int, int]] = []
        self.close = 10.0

    def __call__(self, instrument: int, since: int, until: int) -> tuple[BarSeries, int | None]:
        self.asked.append((instrument, since))
        if self.error is not None:
            raise self.error
        opened = np.array([BEGIN + minute * MINUTE for minute in self.minutes], dtype=np.int64)
        opened = opened[(opened >= since) & (opened < until)]
        price = np.full(len(opened), self.close)
        return BarSeries(opened, opened + MINUTE, price, price, price, price, price), 7


def waiting_for(provider: Provider, instruments: tuple[int, ...] = (1,)) -> PendingHistory:
    return PendingHistory(
        instruments,
        Timeframe.M1,
        since=BEGIN,
        patience=10 * SECOND,
        give_up_after=60 * SECOND,
        fetch=provider,
    )


def taken(history: PendingHistory, closed_at: int) -> dict[int, list[int]]:
    """Return the minutes taken, per instrument."""
    return {
        one: ((series.closed_at - BEGIN) // MINUTE).tolist()
        for one, series in history.take(closed_at).items()
    }


def test_history_when_the_bar_is_there_is_settled_at_once() -> None:
    provider = Provider()
    provider.minutes = [0]
    history = waiting_for(provider)
    assert history.is_settled(BEGIN + MINUTE, [1], BEGIN + MINUTE)
    assert taken(history, BEGIN + MINUTE) == {1: [1]}
    assert history.source_of([1]) == 7


def test_history_when_the_bar_lacks_waits_for_the_patience() -> None:
    history = waiting_for(Provider())
    closed = BEGIN + MINUTE
    assert not history.is_settled(closed, [1], closed)
    assert not history.is_settled(closed, [1], closed + 9 * SECOND)
    assert history.is_settled(closed, [1], closed + 12 * SECOND)
    assert taken(history, closed) == {}
    assert history.given_up(closed, [1], closed + 12 * SECOND) == []


def test_history_when_a_later_bar_is_there_the_earlier_will_not_come() -> None:
    provider = Provider()
    provider.minutes = [1]
    history = waiting_for(provider)
    assert history.is_settled(BEGIN + MINUTE, [1], BEGIN + 2 * MINUTE)
    assert taken(history, BEGIN + MINUTE) == {}
    assert history.is_settled(BEGIN + 2 * MINUTE, [1], BEGIN + 2 * MINUTE)
    assert taken(history, BEGIN + 2 * MINUTE) == {1: [2]}
    assert len(provider.asked) == 1


def test_history_when_a_long_outage_is_over_comes_in_one_answer_and_in_order() -> None:
    provider = Provider()
    provider.minutes = [minute for minute in range(500) if minute % 7]
    history = waiting_for(provider)
    now = BEGIN + 500 * MINUTE
    found = []
    for minute in range(1, 501):
        assert history.is_settled(BEGIN + minute * MINUTE, [1], now)
        found += taken(history, BEGIN + minute * MINUTE).get(1, [])
    assert found == [minute + 1 for minute in provider.minutes]
    assert len(provider.asked) == 1


def test_history_when_several_wait_asks_one_at_a_time() -> None:
    provider = Provider()
    provider.minutes = [0]
    history = waiting_for(provider, (1, 2, 3))
    closed = BEGIN + MINUTE
    answers = [history.is_settled(closed, [1, 2, 3], closed + SECOND) for _ in range(3)]
    assert answers == [False, False, True]
    assert [one for one, _ in provider.asked] == [1, 2, 3]


def test_history_when_nobody_expects_it_is_not_asked() -> None:
    provider = Provider()
    assert waiting_for(provider).is_settled(BEGIN + MINUTE, [], BEGIN + MINUTE)
    assert provider.asked == []


def test_history_when_the_provider_is_away_gives_up_after_a_minute_only() -> None:
    provider = Provider()
    provider.error = AwayError("no answer")
    history = waiting_for(provider)
    closed = BEGIN + MINUTE
    for second in range(60):
        assert not history.is_settled(closed, [1], closed + second * SECOND)
    assert history.failure == "no answer"
    assert history.failing_since == closed
    later = closed + 61 * SECOND
    assert history.is_settled(closed, [1], later)
    assert history.given_up(closed, [1], later) == [1]
    history.take(closed)
    provider.error, provider.minutes = None, [0, 1]
    assert history.is_settled(closed + MINUTE, [1], later + MINUTE)
    assert (history.failure, history.failing_since) == ("", None)
    assert taken(history, closed + MINUTE) == {1: [2]}  # what was given up stays so


def test_history_when_nobody_has_it_is_given_up_at_once() -> None:
    provider = Provider()
    provider.error = NobodyError("no provider")
    history = waiting_for(provider)
    assert history.is_settled(BEGIN + MINUTE, [1], BEGIN + MINUTE)
    assert history.given_up(BEGIN + MINUTE, [1], BEGIN + MINUTE) == [1]


def test_history_when_bars_are_no_bars_leaves_them_out() -> None:
    provider = Provider()
    provider.minutes, provider.close = [0], -1.0
    history = waiting_for(provider)
    assert history.is_settled(BEGIN + MINUTE, [1], BEGIN + MINUTE)
    assert taken(history, BEGIN + MINUTE) == {}
    assert history.refused == 1


@pytest.mark.parametrize("now", [BEGIN + MINUTE, BEGIN + 90 * SECOND])
def test_history_when_a_bar_has_not_closed_does_not_return_it(now: int) -> None:
    provider = Provider()
    provider.minutes = [0, 1]
    history = waiting_for(provider)
    assert history.is_settled(BEGIN + MINUTE, [1], now)
    assert taken(history, BEGIN + 2 * MINUTE) == {1: [1]}
