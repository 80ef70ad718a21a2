"""The demo's history, read from one data file."""

import gzip
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from domain.bars import EPOCH, Timeframe, from_micros
from marketdata.data_quality import check_bars
from marketdata.feeds import sample_stocks
from marketdata.feeds.base import FeedError, UnknownSymbolError, UnsupportedByFeedError
from marketdata.feeds.sample_stocks import SampleStocksFeed, data_file, read_listings

FEED = SampleStocksFeed()
NOW = datetime(2020, 1, 1, tzinfo=UTC)
ROWS = {"AAPL": 3270, "FB": 196, "GOOG": 2148, "IBM": 3270, "MSFT": 3270}


def test_instruments_when_asked_are_the_five_stocks() -> None:
    instruments = list(FEED.instruments())
    assert [(one.venue, one.symbol) for one in instruments] == [
        *(("NASDAQ", "AAPL"), ("NASDAQ", "FB"), ("NASDAQ", "GOOG"), ("NYSE", "IBM")),
        ("NASDAQ", "MSFT"),
    ]
    assert {(one.tick_size, one.lot_size) for one in instruments} == {
        (Decimal("0.0001"), Decimal(1))
    }


def test_history_when_all_is_asked_returns_every_clean_row() -> None:
    for one in FEED.instruments():
        bars = FEED.history(symbol=one.symbol, timeframe=Timeframe.D1, since=EPOCH, until=NOW)
        assert len(bars) == ROWS[one.symbol]
        assert (np.diff(bars.opened_at) > 0).all()
        assert not check_bars(bars, timeframe=Timeframe.D1, now_micros=2**62).any()
        # The tick holds every price exactly.
        assert np.array_equal(np.round(bars.close, 4), bars.close)


def test_history_when_asked_for_a_span_returns_what_opened_in_it() -> None:
    since, until = datetime(2012, 5, 21, tzinfo=UTC), datetime(2012, 5, 24, tzinfo=UTC)
    bars = FEED.history(symbol="FB", timeframe=Timeframe.D1, since=since, until=until)
    assert [from_micros(at) for at in bars.opened_at] == [
        datetime(2012, 5, day, tzinfo=UTC) for day in (21, 22, 23)
    ]
    assert from_micros(bars.closed_at[-1]) == until


@pytest.mark.parametrize(
    ("symbol", "timeframe", "error"),
    [("Y", Timeframe.D1, UnknownSymbolError), ("IBM", Timeframe.M1, UnsupportedByFeedError)],
)
def test_history_when_not_offered_refuses(
    symbol: str, timeframe: Timeframe, error: type[FeedError]
) -> None:
    with pytest.raises(error):
        FEED.history(symbol=symbol, timeframe=timeframe, since=EPOCH, until=NOW)


@pytest.mark.parametrize(("venue", "found"), [("NYSE", "IBM"), ("NASDAQ", None)])
def test_symbol_of_when_of_another_venue_is_not_offered(venue: str, found: str | None) -> None:
    assert FEED.symbol_of(venue=venue, symbol="IBM") == found


def test_subscribe_when_asked_refuses() -> None:
    assert FEED.capabilities.has_instants is False
    with pytest.raises(UnsupportedByFeedError):
        FEED.subscribe(after=datetime(2000, 1, 1, tzinfo=UTC), should_stop=lambda: False)


def test_data_file_when_read_does_not_import_the_package() -> None:
    code = (
        "import sys; from marketdata.feeds.sample_stocks import SampleStocksFeed as F;"
        "F().splits(symbol='IBM');"
        "sys.exit('bokeh_sampledata' in sys.modules or 'django' in sys.modules)"
    )
    root = Path(__file__).resolve().parents[3]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


def test_data_file_when_package_is_missing_refuses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sample_stocks, "PACKAGE", "no_such_package_here")
    with pytest.raises(FeedError, match="install the package"):
        data_file()


@pytest.mark.parametrize(
    "content",
    [b"", b"not gzip", gzip.compress(b"a,b\n", mtime=0), b"\x1f\x8b\x08"],
    ids=("empty", "text", "other columns", "cut off"),
)
def test_read_listings_when_file_is_broken_refuses(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "stocks.csv.gz"
    path.write_bytes(content)
    with pytest.raises(FeedError):
        read_listings(path)
