"""A master file or a provider's list, brought in whole."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.bars import to_micros
from marketdata.feeds.base import FeedUnavailableError, UnsupportedByFeedError
from marketdata.models import DataImport, Instrument, Provider, ProviderSymbol
from marketdata.services.import_instruments import UnknownProviderError, import_instruments
from tests.marketdata.feeds.exchange_server import ExchangeServer, running_exchange
from tests.marketdata.services.test_fetch_history import LAST_MS, T0

pytestmark = pytest.mark.django_db

MASTER = """venue,symbol,kind,currency,tick_size,lot_size,provider_symbol
NSE,SBIN,equity,INR,0.05,1,NSE:SBIN-EQ
NSE,TCS,equity,INR,0.05,1,NSE:TCS-EQ
NSE,BAD,equity,INR,0.05,none,
"""


@pytest.fixture
def server() -> Iterator[ExchangeServer]:
    with running_exchange(to_micros(T0) // 1000, LAST_MS) as found:
        yield found


@pytest.fixture
def exchange(server: ExchangeServer) -> Provider:
    options = {"exchange": "binance", "base_url": server.url, "timeout_seconds": 2.0}
    return Provider.objects.create(name=f"at {server.url}", feed="ccxt", options=options)


def test_import_when_from_a_file_reports_and_keeps_the_file_s_mark(tmp_path: Path) -> None:
    path = tmp_path / "master.csv"
    path.write_text(MASTER)
    report = import_instruments(path=path)
    assert (report.added, report.rejected, report.symbols) == (2, 1, 0)
    record = DataImport.objects.get()
    assert (record.kind, record.source, len(record.sha256)) == ("instruments", "master.csv", 64)
    assert ProviderSymbol.objects.count() == 0


def test_import_when_a_file_is_of_a_provider_keeps_its_symbols(tmp_path: Path) -> None:
    path = tmp_path / "master.csv"
    path.write_text(MASTER)
    Provider.objects.create(name="fyers", feed="files")
    assert import_instruments(path=path, provider_name="fyers").symbols == 2
    found = ProviderSymbol.objects.values_list("instrument__symbol", "symbol")
    assert sorted(found) == [("SBIN", "NSE:SBIN-EQ"), ("TCS", "NSE:TCS-EQ")]


def test_import_when_from_an_exchange_brings_its_markets_and_symbols(
    exchange: Provider, server: ExchangeServer
) -> None:
    first = import_instruments(provider_name=exchange.name)
    assert (first.added, first.symbols) == (2, 2)
    btc = Instrument.objects.get(venue="BINANCE", symbol="BTCUSDT")
    assert (btc.kind, btc.currency, btc.calendar) == ("crypto", "USDT", "24/7")
    assert ProviderSymbol.objects.get(instrument=btc).symbol == "BTC/USDT"
    server.symbols = [("BTC", "USDT"), ("SOL", "USDT")]
    second = import_instruments(provider_name=exchange.name, is_complete=True)
    assert (second.added, second.unchanged) == (1, 1)
    assert second.missing_names == ["BINANCE:ETHUSDT"]
    marks = DataImport.objects.values_list("sha256", flat=True)
    assert len(set(marks)) == 2


def test_import_when_the_exchange_is_away_stores_nothing_and_says_so(
    exchange: Provider, server: ExchangeServer
) -> None:
    server.stop()
    with pytest.raises(FeedUnavailableError, match="NetworkError"):
        import_instruments(provider_name=exchange.name)
    exchange.refresh_from_db()
    assert (exchange.state, exchange.reason[:25]) == ("down", "instruments: ccxt binance")
    assert (Instrument.objects.count(), DataImport.objects.count()) == (0, 0)


def test_import_when_the_provider_has_no_list_refuses() -> None:
    Provider.objects.create(name="bridge", feed="websocket", options={"url": "ws://h/"})
    with pytest.raises(UnsupportedByFeedError, match="offers no list of instruments"):
        import_instruments(provider_name="bridge")


def test_import_when_the_provider_is_unknown_names_those_that_exist() -> None:
    Provider.objects.create(name="one", feed="files")
    with pytest.raises(UnknownProviderError, match="unknown provider 'two'; known: one"):
        import_instruments(provider_name="two")
    with pytest.raises(UnknownProviderError, match="name a master file"):
        import_instruments()
