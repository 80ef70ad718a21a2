"""What the desk relies on, asked of every registered feed."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Timer
from typing import Any

import numpy as np
import pytest

from domain.bars import COLUMNS, Bar, BarSeries, Timeframe, from_micros, to_micros
from domain.ticks import TICK
from marketdata.data_quality import check_bars
from marketdata.feeds.base import (
    BadFeedOptionsError,
    Feed,
    FeedBar,
    FeedError,
    FeedInstant,
    FeedUnavailableError,
    UnsupportedByFeedError,
    history_spans,
)
from marketdata.feeds.registry import load_feeds, make_feed
from marketdata.feeds.replay import ReplayFeed
from marketdata.instrument_masters import offered_row
from tests.architecture.guards import ROOT
from tests.marketdata.feeds.exchange_server import running_exchange
from tests.marketdata.feeds.tick_server import TickServer, running_tick_server

MINUTE = timedelta(minutes=1)
MINUTES = 300
# The last of the minutes has not closed yet; what is asked for ends before it.
T0 = datetime.now(UTC).replace(second=0, microsecond=0) - (MINUTES - 1) * MINUTE
NETWORKED = {"ccxt", "websocket"}


class CountingBudget:
    """A budget that counts what is taken."""

    def __init__(self) -> None:
        self.taken = 0

    def take(self, cost: int = 1) -> None:
        self.taken += cost

    def hold(self, seconds: float) -> None:
        raise AssertionError("holding is the caller's")


@dataclass
class Stage:
    """A feed with something to say: what it is asked for, and what makes it speak or end."""

    feed: Feed
    budget: CountingBudget
    symbol: str = ""
    timeframe: Timeframe = Timeframe.M1
    since: datetime = T0
    until: datetime = T0 + (MINUTES - 5) * MINUTE
    server: TickServer | None = None


def minute_bar(minute: int) -> Bar:
    at = T0 + minute * MINUTE
    return Bar(at, at + MINUTE, 10.0, 11.0, 9.0, 10.5, 1.0)


def stage_ccxt(things: ExitStack, _: Path, budget: CountingBudget) -> Stage:
    pytest.importorskip("ccxt", reason="the extra requirements-crypto.txt is not installed")
    last = T0 + (MINUTES - 1) * MINUTE
    server = things.enter_context(running_exchange(to_micros(T0) // 1000, to_micros(last) // 1000))
    options = {"exchange": "binance", "base_url": server.url, "page_bars": 100}
    return Stage(make_feed("ccxt", options, budget), budget, "BTCUSDT")


def stage_files(_: ExitStack, folder: Path, budget: CountingBudget) -> Stage:
    rows = "".join(
        f"{one.opened_at:%Y-%m-%dT%H:%M:%SZ},{one.open},{one.high},{one.low},{one.close},1\n"
        for one in map(minute_bar, range(MINUTES))
    )
    (folder / "X_AAA_1m.csv").write_text(f"ts,open,high,low,close,volume\n{rows}")
    return Stage(make_feed("files", {"folder": str(folder)}, budget), budget, "X_AAA")


def stage_replay(_: ExitStack, __: Path, budget: CountingBudget) -> Stage:
    def read(after: datetime, limit: int) -> list[FeedInstant]:
        bars = [minute_bar(n) for n in range(MINUTES)]
        later = [one for one in bars if one.closed_at > after][:limit]
        return [
            FeedInstant(one.closed_at, (FeedBar("X", "AAA", Timeframe.M1, one),)) for one in later
        ]

    return Stage(ReplayFeed(read=read, pace_seconds=0.0), budget)


def stage_sample_stocks(_: ExitStack, __: Path, budget: CountingBudget) -> Stage:
    since, until = datetime(2010, 1, 1, tzinfo=UTC), datetime(2011, 1, 1, tzinfo=UTC)
    feed = make_feed("sample_stocks", {}, budget)
    return Stage(feed, budget, "IBM", Timeframe.D1, since, until)


def stage_websocket(things: ExitStack, _: Path, budget: CountingBudget) -> Stage:
    server = things.enter_context(running_tick_server())
    feed = make_feed("websocket", {"url": server.url}, budget)
    return Stage(feed, budget, "AAA", server=server)


STAGES: dict[str, Callable[[ExitStack, Path, CountingBudget], Stage]] = {
    "ccxt": stage_ccxt,
    "files": stage_files,
    "replay": stage_replay,
    "sample_stocks": stage_sample_stocks,
    "websocket": stage_websocket,
}


@pytest.fixture(params=list(load_feeds()))
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    with ExitStack() as things:
        yield STAGES[request.param](things, tmp_path, CountingBudget())


def needs(stage: Stage, what: str) -> None:
    """Skip a feed that says it cannot do this; that it then refuses is a test of its own."""
    if not getattr(stage.feed.capabilities, what):
        pytest.skip(f"{stage.feed.name} has no {what.removeprefix('has_')}")


def history(stage: Stage, since: datetime | None = None, until: datetime | None = None) -> Any:
    """Return the history of a span, call by call as the port wants it."""
    spans = history_spans(
        stage.feed.capabilities,
        timeframe=stage.timeframe,
        since=since or stage.since,
        until=until or stage.until,
    )
    return [
        stage.feed.history(symbol=stage.symbol, timeframe=stage.timeframe, since=one, until=other)
        for one, other in spans
    ]


def columns(parts: list[BarSeries]) -> list[list[float]]:
    return [np.concatenate([getattr(one, name) for one in parts]).tolist() for name in COLUMNS]


def never() -> bool:
    return False


def test_stages_when_listed_are_of_every_registered_feed() -> None:
    assert sorted(STAGES) == list(load_feeds())


def test_feed_when_registered_bears_its_name(stage: Stage) -> None:
    assert load_feeds().get(stage.feed.name) is type(stage.feed)


@pytest.mark.parametrize(
    ("what", "call"),
    [
        ("has_history", lambda one: history(one, T0, T0 + MINUTE)),
        ("has_instruments", lambda one: list(one.feed.instruments())),
        ("has_quote", lambda one: one.feed.quote([one.symbol])),
        ("has_instants", lambda one: one.feed.subscribe(after=T0, should_stop=never)),
        ("has_ticks", lambda one: one.feed.subscribe_ticks(symbols=["A"], should_stop=never)),
    ],
)
def test_feed_when_it_says_it_cannot_refuses(
    what: str, call: Callable[[Stage], Any], stage: Stage
) -> None:
    if getattr(stage.feed.capabilities, what):
        pytest.skip(f"{stage.feed.name} can")
    with pytest.raises(UnsupportedByFeedError, match=stage.feed.name):
        call(stage)


def test_options_when_unknown_or_of_the_wrong_kind_are_refused_in_one_line(stage: Stage) -> None:
    kind = stage.feed.Options
    if kind is None:
        with pytest.raises(BadFeedOptionsError, match="cannot be a provider"):
            make_feed(stage.feed.name, {})
        return
    with pytest.raises(BadFeedOptionsError, match="unknown option 'api_secret'"):
        make_feed(stage.feed.name, {"api_secret": "s"})
    for one in fields(kind):
        with pytest.raises(BadFeedOptionsError) as refused:
            make_feed(stage.feed.name, {one.name: object()})
        assert "\n" not in str(refused.value)


def test_options_when_there_are_any_are_documented(stage: Stage) -> None:
    page = (ROOT / "docs/feeds.md").read_text(encoding="utf-8")
    for one in fields(stage.feed.Options) if stage.feed.Options else ():
        assert f"| `{one.name}`" in page or f"`{one.name}`, " in page


def test_history_when_asked_is_good_bars_of_the_span_in_rising_time(stage: Stage) -> None:
    needs(stage, "has_history")
    parts = history(stage)
    bars = BarSeries(*(np.array(column) for column in columns(parts)))
    assert len(bars) > 200
    assert [getattr(parts[0], name).dtype for name in COLUMNS] == [np.int64] * 2 + [np.float64] * 5
    assert (np.diff(bars.opened_at) > 0).all()
    assert bars.opened_at[0] >= to_micros(stage.since)
    assert bars.opened_at[-1] < to_micros(stage.until)
    assert (bars.closed_at == bars.opened_at + stage.timeframe.seconds * 1_000_000).all()
    assert not check_bars(bars, timeframe=stage.timeframe, now_micros=2**62).any()


def test_history_when_asked_in_pieces_or_again_is_the_same(stage: Stage) -> None:
    needs(stage, "has_history")
    whole = columns(history(stage))
    assert columns(history(stage)) == whole
    middle = stage.since + (stage.until - stage.since) / 3
    pieces = [*history(stage, until=middle), *history(stage, since=middle)]
    assert columns(pieces) == whole


def test_history_when_a_bar_is_open_leaves_it_out(stage: Stage) -> None:
    needs(stage, "has_history")
    asked_at = datetime.now(UTC)
    found = history(stage, asked_at - 9 * MINUTE, asked_at + 300 * MINUTE)
    closed = [from_micros(at) for one in found for at in one.closed_at]
    assert [at for at in closed if at > datetime.now(UTC)] == []
    assert len(closed) > 5 or stage.timeframe is Timeframe.D1


def test_history_when_before_the_first_bar_is_empty(stage: Stage) -> None:
    needs(stage, "has_history")
    ancient = datetime(1980, 1, 1, tzinfo=UTC)
    assert columns(history(stage, ancient, ancient + timedelta(hours=1))) == [[]] * 7


def test_history_when_the_symbol_is_unknown_raises_a_feed_error(stage: Stage) -> None:
    needs(stage, "has_history")
    stage.symbol = "NO SUCH/THING"
    with pytest.raises(FeedError) as refused:
        history(stage, T0, T0 + MINUTE)
    assert "\n" not in str(refused.value)


def test_instruments_when_offered_fit_the_record_and_are_found_again(stage: Stage) -> None:
    needs(stage, "has_instruments")
    offered = list(stage.feed.instruments())
    assert offered
    assert [offered_row(1, one).reason for one in offered] == [""] * len(offered)
    assert len({(one.venue, one.symbol) for one in offered}) == len(offered)
    for one in offered[:3]:
        assert stage.feed.symbol_of(venue=one.venue, symbol=one.symbol) is not None


def test_quote_when_asked_names_what_it_was_asked_for(stage: Stage) -> None:
    needs(stage, "has_quote")
    (name, quote), = stage.feed.quote([stage.symbol]).items()  # fmt: skip
    assert name == stage.symbol
    assert quote.at.tzinfo is not None
    assert quote.bid is not None
    assert quote.ask is not None
    assert quote.bid < quote.ask


def test_feed_when_networked_takes_its_calls_from_the_budget(stage: Stage) -> None:
    if stage.feed.capabilities.has_history:
        history(stage)
    if stage.feed.capabilities.has_ticks:
        next(iter(stage.feed.subscribe_ticks(symbols=["AAA"], should_stop=never)))
    assert (stage.budget.taken > 0) is (stage.feed.name in NETWORKED)


def test_subscribe_when_heard_rises_and_ends_when_told(stage: Stage) -> None:
    needs(stage, "has_instants")
    heard: list[datetime] = []
    after = T0 + 5 * MINUTE
    subscription = stage.feed.subscribe(after=after, should_stop=lambda: len(heard) >= 20)
    for one in subscription:
        if one is not None:
            heard.append(one.closed_at)
            assert {bar.bar.closed_at for bar in one.bars} == {one.closed_at}
    assert heard == [T0 + n * MINUTE for n in range(6, 26)]


def test_subscribe_ticks_when_heard_are_rows_in_order_and_none_in_between(stage: Stage) -> None:
    needs(stage, "has_ticks")
    server = stage.server
    assert server is not None
    is_over = False
    subscription = stage.feed.subscribe_ticks(symbols=[stage.symbol], should_stop=lambda: is_over)
    assert next(subscription) is None
    server.wait_for_subscriptions(1)
    for minute in range(3):
        server.tick(stage.symbol, 10.0 + minute, T0 + minute * MINUTE)
    heard: list[Any] = []
    while len(heard) < 3:
        ticks = next(subscription)
        if ticks is not None:
            assert (ticks.dtype, len(ticks) > 0) == (TICK, True)
            heard += ticks[["ts", "price", "instrument"]].tolist()
    assert heard == [(to_micros(T0 + n * MINUTE), 10.0 + n, 0) for n in range(3)]
    assert next(subscription) is None
    is_over = True
    assert list(subscription) in ([], [None])


def test_subscribe_ticks_when_the_connection_ends_raises(stage: Stage) -> None:
    needs(stage, "has_ticks")
    server = stage.server
    assert server is not None
    subscription = stage.feed.subscribe_ticks(symbols=[stage.symbol], should_stop=never)
    assert next(subscription) is None
    server.wait_for_subscriptions(1)
    Timer(0.2, server.drop).start()
    with pytest.raises(FeedUnavailableError):
        list(subscription)


def test_load_feeds_when_loaded_imports_nothing_heavy() -> None:
    heavy = {"ccxt", "pandas", "pandas_market_calendars", "pyarrow", "numba", "django", "redis"}
    code = (
        "import sys; from marketdata.feeds.registry import load_feeds; load_feeds();"
        f"print(sorted({heavy} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
