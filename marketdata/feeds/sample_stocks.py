"""Five US stocks, daily, 2000 to 2013, from the data file of the package `bokeh_sampledata`."""

import csv
import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from domain.bars import BarSeries, FloatArray, Split, Timeframe, to_micros
from marketdata.feeds.base import (
    Feed,
    FeedCapabilities,
    FeedError,
    FeedInstrument,
    FeedOptions,
    UnknownSymbolError,
    UnsupportedByFeedError,
)
from marketdata.feeds.registry import FEEDS
from marketdata.split_detection import splits_in_prices

PACKAGE = "bokeh_sampledata"
COLUMNS = ["Ticker", "Date", "Open", "High", "Low", "Close", "Volume", "Adj Close"]
VENUES = {"AAPL": "NASDAQ", "FB": "NASDAQ", "GOOG": "NASDAQ", "IBM": "NYSE", "MSFT": "NASDAQ"}
# The file quotes up to four decimals.
TICK_SIZE = Decimal("0.0001")
LOT_SIZE = Decimal(1)
DAY_MICROS = Timeframe.D1.seconds * 1_000_000


@dataclass(frozen=True)
class Listing:
    """One stock as the file has it: raw bars, and the close adjusted for splits and dividends."""

    bars: BarSeries
    adjusted_close: FloatArray


@FEEDS.register("sample_stocks")
class SampleStocksFeed(Feed):
    """History and splits of the five demo stocks; nothing comes in live."""

    name = "sample_stocks"
    Options = FeedOptions

    @property
    def capabilities(self) -> FeedCapabilities:
        """Return that this feed has daily history."""
        return FeedCapabilities(has_history=True, has_instruments=True, timeframes=(Timeframe.D1,))

    def symbol_of(self, *, venue: str, symbol: str) -> str | None:
        """Return the symbol of one of the five stocks."""
        return symbol if VENUES.get(symbol) == venue else None

    def instruments(self) -> Iterator[FeedInstrument]:
        """Yield the five stocks."""
        for symbol, venue in VENUES.items():
            yield FeedInstrument(
                *(venue, symbol, "equity", "USD", TICK_SIZE, LOT_SIZE), calendar="NYSE"
            )

    def history(
        self, *, symbol: str, timeframe: Timeframe, since: datetime, until: datetime
    ) -> BarSeries:
        """Return the daily bars that opened in the span."""
        if timeframe is not Timeframe.D1:
            raise UnsupportedByFeedError(f"sample_stocks has 1d bars only, not {timeframe.value}")
        bars = _listing(symbol).bars
        first, last = np.searchsorted(bars.opened_at, [to_micros(since), to_micros(until)])
        return bars[int(first) : int(last)]

    def splits(self, *, symbol: str) -> Sequence[Split]:
        """Return the splits that raw and adjusted closes show."""
        listing = _listing(symbol)
        bars = listing.bars
        return splits_in_prices(
            opened_at=bars.opened_at,
            open_=bars.open,
            close=bars.close,
            adjusted_close=listing.adjusted_close,
        )


def data_file() -> Path:
    """Return the package's CSV without importing the package."""
    found = find_spec(PACKAGE)
    for folder in (found.submodule_search_locations or ()) if found else ():
        path = Path(folder) / "_data" / "stocks.csv.gz"
        if path.is_file():
            return path
    raise FeedError(f"the demo's market history is missing: install the package {PACKAGE}")


def _listing(symbol: str) -> Listing:
    if symbol not in VENUES:
        raise UnknownSymbolError(f"sample_stocks does not have '{symbol}'")
    return read_listings(data_file())[symbol]


@cache
def read_listings(path: Path) -> dict[str, Listing]:
    """Return the stocks of the file by symbol."""
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
    except (OSError, EOFError) as error:
        raise FeedError(f"{path}: {error}") from None
    if not rows or rows[0] != COLUMNS:
        raise FeedError(f"{path}: expected the columns {','.join(COLUMNS)}")
    by_symbol: dict[str, list[list[str]]] = {symbol: [] for symbol in VENUES}
    for row in rows[1:]:
        by_symbol.setdefault(row[0], []).append(row[1:])
    return {symbol: _columns(sorted(by_symbol[symbol])) for symbol in VENUES}


def _columns(rows: list[list[str]]) -> Listing:
    opened_at = np.array([row[0] for row in rows], dtype="datetime64[us]").astype(np.int64)
    open_, high, low, close, volume, adjusted = np.array(
        [row[1:] for row in rows], dtype=np.float64
    ).T.copy()
    bars = BarSeries(opened_at, opened_at + DAY_MICROS, open_, high, low, close, volume)
    return Listing(bars, adjusted)
