"""Bars from a watched folder: `VENUE_SYMBOL_TIMEFRAME.csv`, `.csv.gz` or `.parquet`.

A character a file name cannot hold is written as %XX: `BINANCE_BTC%2FUSDT_1m.csv`. A file may be
replaced or written to at any time; what is only half there is read once it is whole.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, unquote

import numpy as np

from domain.bars import (
    Bar,
    BarSeries,
    Timeframe,
    from_micros,
    in_order,
    joined,
    picked,
    series_of,
    to_micros,
)
from domain.budget import RateBudget
from marketdata.bar_files import read_bar_file
from marketdata.data_quality import MICROS
from marketdata.feeds.base import (
    BadFeedOptionsError,
    Feed,
    FeedBar,
    FeedCapabilities,
    FeedError,
    FeedInstant,
    FeedOptions,
    FeedUnavailableError,
    ShouldStop,
    UnknownSymbolError,
    check_seconds,
)
from marketdata.feeds.registry import FEEDS
from marketdata.row_layouts import BadFileError

ENDINGS = (".csv", ".csv.gz", ".parquet")
# A last line without its end may still be growing; after this long it is what was meant.
WRITING_SECONDS = 5.0
POLL_SECONDS = 0.5
# Rows of settled files kept in memory: about 60 MB.
MOST_KEPT = 1_000_000
# A large file that changes all the time may not keep the process reading all the time.
REST_PER_READ = 5.0


@dataclass(frozen=True)
class FilesOptions(FeedOptions):
    """The folder, and how long an instant waits for files that lack it."""

    folder: str
    grace_seconds: float = 2.0

    def __post_init__(self) -> None:
        if not Path(self.folder).is_absolute():
            raise BadFeedOptionsError(f"option 'folder' must be a full path, not '{self.folder}'")
        check_seconds("grace_seconds", self.grace_seconds)


@dataclass(frozen=True, slots=True)
class SeriesName:
    """What a file's name says."""

    venue: str
    symbol: str
    timeframe: Timeframe


@dataclass
class _Watched:
    """What was read of one file, and which state of the file that was."""

    state: tuple[int, int] = (0, -1)
    bars: BarSeries = field(default_factory=lambda: series_of([]))


@FEEDS.register("files")
class FilesFeed(Feed):
    """History from files, and their new rows as closed instants."""

    name = "files"
    Options = FilesOptions

    def __init__(
        self,
        options: FilesOptions,
        budget: RateBudget | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__(options, budget)
        self.folder = Path(options.folder)
        self._sleep, self._monotonic, self._now = sleep, monotonic, now
        self._kept: dict[Path, _Watched] = {}

    @property
    def capabilities(self) -> FeedCapabilities:
        """Return that this feed has history and new instants of every timeframe."""
        return FeedCapabilities(has_history=True, has_instants=True, timeframes=tuple(Timeframe))

    def symbol_of(self, *, venue: str, symbol: str) -> str | None:
        """Return VENUE_SYMBOL as the file's name begins."""
        return f"{_quoted(venue)}_{_quoted(symbol)}"

    def history(
        self, *, symbol: str, timeframe: Timeframe, since: datetime, until: datetime
    ) -> BarSeries:
        """Return the closed bars of the span; of two rows at one time, the first."""
        paths = [self.folder / f"{symbol}_{timeframe.value}{ending}" for ending in ENDINGS]
        found = [path for path in paths if path.parent == self.folder and path.is_file()]
        if not found:
            if not self.folder.is_dir():
                raise FeedError(f"files: no such folder: {self.folder}")
            raise UnknownSymbolError(
                f"files: {self.folder} holds no {symbol}_{timeframe.value} ({' '.join(ENDINGS)})"
            )
        try:
            bars = in_order(joined([self._read(path, timeframe) for path in found]))
        except BadFileError as error:
            raise FeedUnavailableError(f"files: {error}") from None
        first, last = np.searchsorted(bars.opened_at, [to_micros(since), to_micros(until)])
        return bars[int(first) : int(last)]

    def subscribe(
        self, *, after: datetime, should_stop: ShouldStop
    ) -> Iterator[FeedInstant | None]:
        """Yield each new closing instant once every file has reached it, or after the grace.

        Rows that come later than that are not for this iterator: the history has them.
        """
        cursor = to_micros(after)
        watched: dict[SeriesName, _Watched] = {}
        shown: deque[tuple[float, int]] = deque()
        look_at = self._monotonic()
        while not should_stop():
            began = self._monotonic()
            if began >= look_at:
                newest = self._look(watched)
                ended = self._monotonic()
                shown.append((ended, newest))
                look_at = ended + max(POLL_SECONDS, REST_PER_READ * (ended - began))
            overdue = _shown_for(shown, self._monotonic() - self.options.grace_seconds)
            instant = _next_instant(watched, cursor, overdue)
            if instant is None:
                self._sleep(POLL_SECONDS / 2)
            else:
                cursor = to_micros(instant.closed_at)
            yield instant

    def _look(self, watched: dict[SeriesName, _Watched]) -> int:
        """Read again what has changed; return the newest closing instant of all files."""
        paths: dict[SeriesName, list[Path]] = {}
        for path in sorted(self.folder.iterdir()) if self.folder.is_dir() else ():
            name = series_name(path.name)
            if name is not None:
                paths.setdefault(name, []).append(path)
        for name, found in paths.items():
            one = watched.setdefault(name, _Watched())
            try:
                states = [path.stat() for path in found]
                state = (sum(s.st_mtime_ns for s in states), sum(s.st_size for s in states))
                is_settled = all(self._age(s.st_mtime) > WRITING_SECONDS for s in states)
                if state == one.state:
                    continue
                one.bars = in_order(joined([self._read(path, name.timeframe) for path in found]))
            except (BadFileError, OSError):
                continue  # half there: looked at again, and by then it may be whole
            # While somebody writes, the last line may be cut and the last bar still open.
            one.state = state if is_settled else one.state
        newest = [int(one.bars.closed_at[-1]) for one in watched.values() if len(one.bars)]
        return max(newest, default=0)

    def _read(self, path: Path, timeframe: Timeframe) -> BarSeries:
        """Return the file's good rows that have closed."""
        try:
            found = path.stat()
        except OSError as error:
            raise BadFileError(f"{path}: {error.strerror or error}") from None
        state = (found.st_mtime_ns, found.st_size)
        kept = self._kept.get(path)
        if kept is not None and kept.state == state:
            bars = kept.bars
        else:
            bars = self._read_whole(path, timeframe)
            if self._age(found.st_mtime) > WRITING_SECONDS:
                self._keep(path, _Watched(state, bars))
        return picked(bars, bars.closed_at <= to_micros(self._now()))

    def _keep(self, path: Path, read: _Watched) -> None:
        """Remember a file that nobody writes to: a live stream asks for its end every second."""
        self._kept.pop(path, None)
        self._kept[path] = read
        while sum(len(one.bars) for one in self._kept.values()) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]

    def _read_whole(self, path: Path, timeframe: Timeframe) -> BarSeries:
        """Return the file's good rows, without a line that still grows."""
        is_whole = self._is_whole(path)
        chunks = list(read_bar_file(path, timeframe=timeframe))
        lines = np.concatenate([one.line for one in chunks])
        fine = np.concatenate([one.reasons == 0 for one in chunks])
        if not (is_whole and self._is_whole(path)):
            fine &= lines < lines.max()
        return picked(joined([one.bars for one in chunks]), fine)

    def _is_whole(self, path: Path) -> bool:
        """Tell whether the file ends with a line's end, or nobody has touched it for a while."""
        if path.name.endswith((".gz", ".parquet")):
            return True  # their own ends say so: a cut one does not open
        try:
            with path.open("rb") as file:
                file.seek(0, 2)
                file.seek(max(0, file.tell() - 1))
                ends = file.read() == b"\n"
            return ends or self._age(path.stat().st_mtime) > WRITING_SECONDS
        except OSError as error:
            raise BadFileError(f"{path}: {error.strerror or error}") from None

    def _age(self, mtime: float) -> float:
        return self._now().timestamp() - mtime


def series_name(file_name: str) -> SeriesName | None:
    """Return what the file's name says, None when it is no file of bars."""
    ending = next((one for one in reversed(ENDINGS) if file_name.endswith(one)), None)
    if ending is None:
        return None
    venue, _, rest = file_name.removesuffix(ending).partition("_")
    symbol, _, timeframe = rest.rpartition("_")
    if not venue or not symbol or timeframe not in {one.value for one in Timeframe}:
        return None
    return SeriesName(unquote(venue), unquote(symbol), Timeframe(timeframe))


def _quoted(text: str) -> str:
    return quote(text, safe=" &+,-.=@^")


def _shown_for(shown: deque[tuple[float, int]], ends: float) -> int:
    """Return the newest closing instant that files showed at `ends`, and forget what is older."""
    while len(shown) > 1 and shown[1][0] <= ends:
        shown.popleft()
    return shown[0][1] if shown and shown[0][0] <= ends else 0


def _next_instant(
    watched: dict[SeriesName, _Watched], cursor: int, overdue: int
) -> FeedInstant | None:
    """Return the first instant after the cursor, once no file should still bring a bar of it.

    A file is waited for when its next bar would close by then, until the instant is overdue.
    """
    heads: dict[SeriesName, tuple[BarSeries, int]] = {}
    for name, one in watched.items():
        at = int(np.searchsorted(one.bars.closed_at, cursor, side="right"))
        if at < len(one.bars):
            heads[name] = one.bars, at
    if not heads:
        return None
    closes = {name: int(bars.closed_at[at]) for name, (bars, at) in heads.items()}
    first = min(closes.values())
    behind = (
        name not in heads
        and len(one.bars) > 0
        and int(one.bars.closed_at[-1]) + name.timeframe.seconds * MICROS <= first
        for name, one in watched.items()
    )
    if first > overdue and any(behind):
        return None
    closing = sorted(
        (name for name, close in closes.items() if close == first),
        key=lambda name: (name.venue, name.symbol, name.timeframe.seconds),
    )
    return FeedInstant(
        from_micros(first),
        tuple(
            FeedBar(name.venue, name.symbol, name.timeframe, _bar(*heads[name])) for name in closing
        ),
    )


def _bar(bars: BarSeries, at: int) -> Bar:
    volume = float(bars.volume[at])
    return Bar(
        from_micros(bars.opened_at[at]),
        from_micros(bars.closed_at[at]),
        float(bars.open[at]),
        float(bars.high[at]),
        float(bars.low[at]),
        float(bars.close[at]),
        None if np.isnan(volume) else volume,
    )
