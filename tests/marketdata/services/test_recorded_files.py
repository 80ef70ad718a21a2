"""Every recorded file through the importers: rows, span and defects as the list beside them says.

One file of each layout, and each with a defect, in every run; all 39 with PLUMBLINE_ALL_FILES=1.
"""

import os
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from domain.bars import Timeframe
from marketdata.models import (
    BookMessage,
    DepthLevel,
    Dividend,
    Instrument,
    OpenInterest,
    OptionQuote,
    Quote,
    QuoteBar,
    RejectedRow,
    Split,
    Tick,
)
from marketdata.services.import_bars import import_bars
from marketdata.services.import_chain import ChainOptions, import_chain
from marketdata.services.import_rows import (
    LEVEL_PLAN,
    MESSAGE_PLAN,
    QUOTE_PLAN,
    TICK_PLAN,
    import_rows,
    quote_bar_plan,
)
from marketdata.services.name_instruments import InstrumentOptions

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
LISTED = re.compile(r"^\| (\S+\.csv\.gz) \| ([\d,]+) \| (\S+) \| (\S+) \|", re.MULTILINE)
pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not DATA.is_dir(), reason="the recorded market data is not on this machine"),
]


@dataclass(frozen=True)
class Recorded:
    """How one file is imported, and what the data's list says beyond rows and span."""

    name: str
    way: str
    timeframe: str = ""
    calendar: str = ""
    rejected: int = 0
    facts: dict[str, int] = field(default_factory=dict)
    is_quick: bool = False


def bars(name: str, timeframe: str, calendar: str, **more: Any) -> Recorded:
    return Recorded(name, "bars", timeframe, calendar, **more)


def quote_bars(name: str, timeframe: str, calendar: str, **more: Any) -> Recorded:
    return Recorded(name, "quote bars", timeframe, calendar, **more)


NSE_NAMES = ("TCS", "INFY", "HDFCBANK", "ICICIBANK", "SBIN", "ITC", "TATAMOTORS")
FILES = (
    *(bars(f"crypto/binance_{one}USDT_5m", "5m", "24/7") for one in ("BTC", "ETH", "SOL", "XRP")),
    bars("crypto/binance_LINKUSDT_5m", "5m", "24/7"),
    bars("crypto/binance_BTCUSDT_1m", "1m", "24/7"),
    bars("crypto/binance_ETHUSDT_1m", "1m", "24/7"),
    bars("crypto/btcperp_1m_202201", "1m", "24/7", is_quick=True),
    bars("us_equity/AAPL_1d", "1d", "NYSE", facts={"splits": 4, "dividends": 35}, is_quick=True),
    bars("us_equity/SPY_1d", "1d", "NYSE", facts={"splits": 0, "dividends": 94}),
    bars("us_equity/BAC_1d", "1d", "NYSE", facts={"splits": 1, "dividends": 93}),
    bars("us_equity/AAPL_1h", "1h", "NYSE"),
    bars("us_equity/SPY_1h", "1h", "NYSE"),
    bars("us_equity/SPY_1m_trade", "1m", "NYSE"),
    quote_bars("us_equity/SPY_1m_quote", "1m", "NYSE"),
    bars("us_equity/BAC_1m_trade", "1m", "NYSE", is_quick=True),
    quote_bars("us_equity/BAC_1m_quote", "1m", "NYSE", is_quick=True),
    bars("fx/oanda_EURUSD_1h", "1h", "FX"),
    quote_bars("fx/oanda_EURUSD_1h", "1h", "FX"),
    bars("fx/oanda_XAUUSD_1h", "1h", ""),
    quote_bars("fx/oanda_XAUUSD_1h", "1h", ""),
    bars("fx/fxcm_GBPUSD_1m", "1m", "FX", is_quick=True),
    quote_bars("fx/fxcm_GBPUSD_1m", "1m", "FX", facts={"crossed": 347}, is_quick=True),
    bars("india/NIFTY_1m_2024", "1m", "NSE"),
    bars("india/BANKNIFTY_15m_2018_2023", "15m", "NSE", rejected=696, is_quick=True),
    bars("india/NSE_RELIANCE_1d", "1d", "NSE", is_quick=True),
    *(bars(f"india/NSE_{one}_1d", "1d", "NSE") for one in NSE_NAMES),
    Recorded("options/NIFTY_chain_20250829", "chain", facts={"contracts": 722}),
    Recorded("options/NIFTY_forward_20250829", "chain", facts={"forwards": 4}, is_quick=True),
    Recorded("options/GOOG_chain_20151224", "chain", facts={"contracts": 876}, is_quick=True),
    bars("options/GOOG_underlying_20151224_1m", "1m", "NYSE", is_quick=True),
    Recorded("ticks/BAC_trades_20131007", "ticks"),
    Recorded("ticks/BAC_quotes_20131007_0930_1000", "quotes", is_quick=True),
    Recorded("ticks/XRPETH_trades_20191011", "ticks", is_quick=True),
    Recorded("depth/ES_H4_mbo_20231225", "L3", is_quick=True),
    Recorded("depth/bybit_XRPUSDT_l2_20241201", "L2", is_quick=True),
)
ASKED = FILES if os.environ.get("PLUMBLINE_ALL_FILES") else [one for one in FILES if one.is_quick]
PLANS = {"ticks": TICK_PLAN, "quotes": QUOTE_PLAN, "L2": LEVEL_PLAN, "L3": MESSAGE_PLAN}


@cache
def listed() -> dict[str, tuple[int, str, str]]:
    """Return rows, first and last of every file, as the list beside the data says."""
    text = (DATA / "README.md").read_text(encoding="utf-8")
    return {
        name: (int(rows.replace(",", "")), first, last)
        for name, rows, first, last in LISTED.findall(text)
    }


def brought_in(one: Recorded) -> Any:
    path = DATA / f"{one.name}.csv.gz"
    instrument = InstrumentOptions(symbol="ABC", venue="TEST", calendar=one.calendar or None)
    if one.way == "bars":
        timeframe = Timeframe.parse(one.timeframe)
        return import_bars(path=path, timeframe=timeframe, instrument=instrument)
    if one.way == "chain":
        underlying = path.name.partition("_")[0]
        return import_chain(path=path, options=ChainOptions(venue="TEST", underlying=underlying))
    plan = PLANS.get(one.way) or quote_bar_plan(Timeframe.parse(one.timeframe))
    return import_rows(path=path, plan=plan, instrument=instrument)


def facts() -> dict[str, int]:
    """Return what the record shows beside the rows."""
    return {
        "splits": Split.objects.count(),
        "dividends": Dividend.objects.count(),
        "contracts": Instrument.objects.filter(kind="option").count(),
        "forwards": Instrument.objects.filter(kind="index").count(),
    }


def test_recorded_files_when_listed_are_all_in_the_table() -> None:
    assert {f"{one.name}.csv.gz" for one in FILES} == set(listed())
    assert len(listed()) == 39


@pytest.mark.parametrize("one", ASKED, ids=lambda one: f"{one.name} {one.way}")
def test_import_when_file_is_recorded_finds_what_its_list_says(one: Recorded) -> None:
    rows, first, last = listed()[f"{one.name}.csv.gz"]
    report = brought_in(one)
    assert (report.rows, report.inserted, report.rejected) == (
        rows,
        rows - one.rejected,
        one.rejected,
    )
    assert RejectedRow.objects.count() == one.rejected
    # The list names the minute, or for daily bars the day.
    assert (report.first[: len(first)], report.last[: len(last)]) == (first, last)
    found = facts() | {"crossed": getattr(report, "crossed", 0)}
    assert {name: found[name] for name in one.facts} == one.facts
    again = brought_in(one)
    assert (again.inserted, again.unchanged, again.rejected) == (
        0,
        rows - one.rejected,
        one.rejected,
    )
    assert getattr(again, "corrected", 0) == 0


def recorded(name: str) -> Recorded:
    return next(one for one in FILES if one.name.endswith(name))


def test_import_when_quotes_have_one_side_the_other_is_null() -> None:
    brought_in(recorded("BAC_quotes_20131007_0930_1000"))
    quotes = Quote.objects.order_by("ts", "seq").values_list("bid", "bid_size", "ask", "ask_size")
    assert list(quotes[:2]) == [(13.91, 16800.0, None, None), (None, None, 13.92, 22000.0)]
    assert Quote.objects.filter(bid__isnull=False, ask__isnull=False).count() == 0


def test_import_when_book_is_by_order_keeps_every_message_in_order() -> None:
    brought_in(recorded("ES_H4_mbo_20231225"))
    first = BookMessage.objects.order_by("ts", "seq").first()
    assert first is not None
    assert (first.action, first.side, first.price, first.order_id, first.flags) == (
        *("A", 1, 4799.0, 6412777162812, 40),
    )
    assert BookMessage.objects.filter(action="T").count() == 2973
    assert BookMessage.objects.filter(flags=40).count() == 8725


def test_import_when_book_is_by_level_keeps_messages_and_places() -> None:
    brought_in(recorded("bybit_XRPUSDT_l2_20241201"))
    assert DepthLevel.objects.filter(seq=0, is_snapshot=True).count() == 1000
    assert DepthLevel.objects.values("seq").distinct().count() == 50
    places = list(
        DepthLevel.objects.filter(seq=0).order_by("place").values_list("place", flat=True)
    )
    assert places == list(range(1000))


def test_import_when_trades_have_ids_the_last_are_the_venues() -> None:
    brought_in(recorded("XRPETH_trades_20191011"))
    first = Tick.objects.order_by("ts", "seq").first()
    assert first is not None
    assert (first.trade_id, first.side, first.price, first.size) == (
        *(13519807, -1, 0.00141342, 23.0),
    )


def test_import_when_quote_bars_are_of_fx_the_sizes_are_null() -> None:
    brought_in(recorded("fxcm_GBPUSD_1m"))
    brought_in(next(one for one in FILES if one.way == "quote bars" and "GBPUSD" in one.name))
    bar = QuoteBar.objects.order_by("opened_at").first()
    assert bar is not None
    assert (bar.bid_open, bar.ask_close, bar.bid_size) == (1.57597, 1.57585, None)


def test_import_when_chain_is_recorded_contracts_have_their_terms() -> None:
    brought_in(recorded("GOOG_chain_20151224"))
    contract = Instrument.objects.get(symbol="GOOG-20151224-590-P")
    assert contract.underlying is not None
    assert (contract.kind, contract.strike, contract.right, str(contract.underlying)) == (
        *("option", 590, "P", "TEST:GOOG"),
    )
    quote = OptionQuote.objects.filter(instrument=contract).order_by("observed_at").first()
    assert quote is not None
    assert (quote.bid, quote.ask, quote.ask_size, quote.open_interest) == (None, 0.5, 19.0, 6.0)
    # Open interest of a day is known at its start and does not move in this file.
    assert OpenInterest.objects.filter(instrument=contract).count() == 1
