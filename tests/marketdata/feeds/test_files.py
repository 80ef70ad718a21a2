"""A watched folder: history, new rows as instants, and patience with what is half written."""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domain.bars import Timeframe, to_micros
from marketdata.feeds import files
from marketdata.feeds.base import (
    BadFeedOptionsError,
    FeedError,
    FeedInstant,
    FeedUnavailableError,
    UnknownSymbolError,
)
from marketdata.feeds.files import FilesFeed, FilesOptions, SeriesName, series_name
from marketdata.feeds.registry import make_feed

T0 = datetime(2024, 1, 2, 9, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HEAD = "ts,open,high,low,close,volume\n"


@dataclass
class Clock:
    """Time that passes only when slept; the wall stands long after every bar."""

    seconds: float = 0.0
    wall: datetime = datetime(2099, 1, 1, tzinfo=UTC)

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return self.wall


def feed_of(folder: Path, clock: Clock | None = None) -> FilesFeed:
    clock = clock or Clock()
    options = FilesOptions(str(folder))
    return FilesFeed(options, sleep=clock.sleep, monotonic=clock.monotonic, now=clock.now)


def row(minute: int, close: float = 10.0) -> str:
    at = T0 + minute * MINUTE
    return f"{at:%Y-%m-%dT%H:%M:%SZ},10,{max(close, 10)},9,{close},100\n"


def rows(*minutes: int) -> str:
    return "".join(row(minute) for minute in minutes)


def minutes_of(feed: FilesFeed, symbol: str = "X_AAA", first: int = 0, last: int = 99) -> list[int]:
    bars = feed.history(
        symbol=symbol, timeframe=Timeframe.M1, since=T0 + first * MINUTE, until=T0 + last * MINUTE
    )
    return [int(at - to_micros(T0)) // 60_000_000 for at in bars.opened_at]


def test_history_when_files_are_of_every_kind_reads_each(tmp_path: Path) -> None:
    (tmp_path / "X_AAA_1m.csv").write_text(HEAD + rows(0, 1, 2))
    (tmp_path / "X_BBB_1m.csv.gz").write_bytes(gzip.compress((HEAD + rows(0, 1)).encode()))
    columns: dict[str, Any] = {"ts": pa.array([T0, T0 + MINUTE], pa.timestamp("us", "UTC"))}
    columns |= {name: [10.0, 10.0] for name in ("open", "high", "low", "close")}
    pq.write_table(pa.table(columns), tmp_path / "X_CCC_1m.parquet")
    feed = feed_of(tmp_path)
    found = [minutes_of(feed, f"X_{name}") for name in ("AAA", "BBB", "CCC")]
    assert found == [[0, 1, 2], [0, 1], [0, 1]]


def test_history_when_asked_for_a_span_returns_what_opened_in_it(tmp_path: Path) -> None:
    (tmp_path / "X_AAA_1m.csv").write_text(HEAD + rows(*range(10)))
    assert minutes_of(feed_of(tmp_path), first=3, last=6) == [3, 4, 5]


def test_history_when_rows_are_out_of_order_or_twice_rises_with_the_first(tmp_path: Path) -> None:
    (tmp_path / "X_AAA_1m.csv").write_text(HEAD + row(2) + row(0) + row(1, 11.0) + row(1, 12.0))
    feed = feed_of(tmp_path)
    bars = feed.history(symbol="X_AAA", timeframe=Timeframe.M1, since=T0, until=T0 + 9 * MINUTE)
    assert bars.close.tolist() == [10.0, 11.0, 10.0]
    assert (np.diff(bars.opened_at) > 0).all()


def test_history_when_a_row_is_bad_leaves_it_out(tmp_path: Path) -> None:
    (tmp_path / "X_AAA_1m.csv").write_text(HEAD + row(0) + "2024-01-02T09:31:00Z,x,1,1,1,1\n")
    assert minutes_of(feed_of(tmp_path)) == [0]


def test_history_when_the_last_line_still_grows_waits_for_its_end(tmp_path: Path) -> None:
    path = tmp_path / "X_AAA_1m.csv"
    path.write_text(HEAD + rows(0, 1).removesuffix("\n"))
    written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    clock = Clock(wall=written + timedelta(seconds=1))
    feed = feed_of(tmp_path, clock)
    assert minutes_of(feed) == [0]
    clock.wall = written + timedelta(seconds=60)
    assert minutes_of(feed) == [0, 1]


def test_history_when_the_last_bar_is_open_leaves_it_out(tmp_path: Path) -> None:
    (tmp_path / "X_AAA_1m.csv").write_text(HEAD + rows(0, 1))
    clock = Clock(wall=T0 + 1.5 * MINUTE)
    assert minutes_of(feed_of(tmp_path, clock)) == [0]


def test_history_when_a_settled_file_changes_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "X_AAA_1m.csv"
    path.write_text(HEAD + rows(0, 1))
    feed = feed_of(tmp_path)
    assert (minutes_of(feed), minutes_of(feed)) == ([0, 1], [0, 1])
    assert len(feed._kept) == 1
    path.write_text(HEAD + rows(0, 1, 2))
    assert minutes_of(feed) == [0, 1, 2]
    path.unlink()
    with pytest.raises(UnknownSymbolError):
        minutes_of(feed)


def test_history_when_files_are_many_forgets_the_oldest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MOST_KEPT", 5)
    feed = feed_of(tmp_path)
    for name in "ABC":
        (tmp_path / f"X_{name}_1m.csv").write_text(HEAD + rows(0, 1))
        assert minutes_of(feed, f"X_{name}") == [0, 1]
    assert [path.name for path in feed._kept] == ["X_B_1m.csv", "X_C_1m.csv"]


@pytest.mark.parametrize("content", [b"", HEAD.encode(), b"a,b\n1,2\n"])
def test_history_when_the_file_is_half_there_is_unavailable(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "X_AAA_1m.csv").write_bytes(content)
    with pytest.raises(FeedUnavailableError, match="files: "):
        minutes_of(feed_of(tmp_path))


def test_history_when_the_gzip_is_cut_off_is_unavailable(tmp_path: Path) -> None:
    whole = gzip.compress((HEAD + rows(*range(500))).encode())
    (tmp_path / "X_AAA_1m.csv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FeedUnavailableError, match="broken or cut off"):
        minutes_of(feed_of(tmp_path))


@pytest.mark.parametrize("symbol", ["X_ZZZ", "../X_AAA", "sub/X_AAA"])
def test_history_when_there_is_no_such_file_refuses(symbol: str, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for path in (tmp_path / "sub" / "X_AAA_1m.csv", tmp_path.parent / "X_AAA_1m.csv"):
        path.write_text(HEAD + rows(0))
    with pytest.raises(UnknownSymbolError, match="holds no"):
        minutes_of(feed_of(tmp_path), symbol)


def test_history_when_the_folder_is_missing_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "missing", tmp_path / "file"):
        with pytest.raises(FeedError, match=f"^files: no such folder: {folder}$") as refused:
            minutes_of(feed_of(folder))
        assert refused.type is FeedError  # not "unknown symbol": the provider itself is not well


@pytest.mark.parametrize(
    ("venue", "symbol"), [("NSE", "M&M"), ("X", "BTC/USDT"), ("X", "A_B"), ("X", "../etc")]
)
def test_symbol_of_when_put_in_a_name_is_read_back(venue: str, symbol: str) -> None:
    text = feed_of(Path("/nowhere")).symbol_of(venue=venue, symbol=symbol)
    assert series_name(f"{text}_5m.csv.gz") == SeriesName(venue, symbol, Timeframe.M5)
    assert text is not None
    assert "/" not in text


@pytest.mark.parametrize(
    "name", ["X_AAA_1m.txt", "X_AAA_2m.csv", "AAA_1m.csv", "_AAA_1m.csv", "X_1m.csv", ".csv"]
)
def test_series_name_when_the_name_says_nothing_is_none(name: str) -> None:
    assert series_name(name) is None


def told(one: FeedInstant) -> tuple[int, list[str]]:
    return (one.closed_at - T0) // MINUTE, [bar.symbol for bar in one.bars]


def heard(subscription: Iterator[FeedInstant | None], polls: int) -> list[tuple[int, list[str]]]:
    """Return the instants of so many turns."""
    turns = [next(subscription) for _ in range(polls)]
    return [told(one) for one in turns if one is not None]


def never() -> bool:
    return False


def test_subscribe_when_rows_appear_yields_each_instant_once(tmp_path: Path) -> None:
    path = tmp_path / "X_AAA_1m.csv"
    path.write_text(HEAD + rows(0, 1, 2))
    subscription = feed_of(tmp_path).subscribe(after=T0 + MINUTE, should_stop=never)
    assert heard(subscription, 5) == [(2, ["AAA"]), (3, ["AAA"])]
    with path.open("a") as file:
        file.write(row(3) + row(4)[:20])
    assert heard(subscription, 5) == [(4, ["AAA"])]
    with path.open("a") as file:
        file.write(row(4)[20:])
    assert heard(subscription, 5) == [(5, ["AAA"])]
    assert heard(subscription, 5) == []


def test_subscribe_when_one_file_lags_waits_for_it(tmp_path: Path) -> None:
    (tmp_path / "X_AAA_1m.csv").write_text(HEAD + rows(0, 1))
    late = tmp_path / "X_BBB_1m.csv"
    late.write_text(HEAD + rows(0))
    subscription = feed_of(tmp_path).subscribe(after=T0, should_stop=never)
    assert heard(subscription, 3) == [(1, ["AAA", "BBB"])]
    late.write_text(HEAD + rows(0, 1))
    assert heard(subscription, 3) == [(2, ["AAA", "BBB"])]


def test_subscribe_when_one_file_stays_behind_goes_on_after_the_grace(tmp_path: Path) -> None:
    clock = Clock()
    (tmp_path / "X_AAA_1m.csv").write_text(HEAD + rows(0, 1, 2))
    late = tmp_path / "X_BBB_1m.csv"
    late.write_text(HEAD + rows(0))
    subscription = feed_of(tmp_path, clock).subscribe(after=T0 + MINUTE, should_stop=never)
    while (one := next(subscription)) is None:
        pass
    assert (told(one), clock.seconds >= 2.0) == ((2, ["AAA"]), True)
    late.write_text(HEAD + rows(0, 1, 2))  # both instants have waited long enough
    assert heard(subscription, 20) == [(3, ["AAA"])]


def test_subscribe_when_a_slower_timeframe_is_not_due_does_not_wait_for_it(tmp_path: Path) -> None:
    clock = Clock()
    (tmp_path / "X_AAA_1m.csv").write_text(HEAD + rows(30, 31))
    (tmp_path / "X_AAA_1h.csv").write_text(HEAD + rows(-30))
    subscription = feed_of(tmp_path, clock).subscribe(after=T0, should_stop=never)
    assert heard(subscription, 3) == [(30, ["AAA"]), (31, ["AAA"]), (32, ["AAA"])]
    assert clock.seconds < 1.0


def test_subscribe_when_nothing_comes_says_so_at_least_each_second(tmp_path: Path) -> None:
    clock = Clock()
    subscription = feed_of(tmp_path / "missing", clock).subscribe(after=T0, should_stop=never)
    assert heard(subscription, 4) == []
    assert clock.seconds <= 4.0


def test_subscribe_when_told_to_stop_ends(tmp_path: Path) -> None:
    (tmp_path / "X_AAA_1m.csv").write_text(HEAD + rows(0, 1))
    assert list(feed_of(tmp_path).subscribe(after=T0, should_stop=lambda: True)) == []


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({}, "option 'folder' is missing"),
        ({"folder": "bars"}, "option 'folder' must be a full path, not 'bars'"),
        ({"folder": "/bars", "grace_seconds": -1}, "option 'grace_seconds' is -1"),
    ],
)
def test_make_feed_when_options_are_bad_refuses(options: dict[str, Any], line: str) -> None:
    with pytest.raises(BadFeedOptionsError, match=line):
        make_feed("files", options)
