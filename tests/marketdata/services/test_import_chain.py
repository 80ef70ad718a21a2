"""Chains into contracts, quotes and open interest; forwards into ticks of their own."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketdata.models import DataImport, Instrument, OpenInterest, OptionQuote, RejectedRow, Tick
from marketdata.row_layouts import BadFileError
from marketdata.services.import_chain import ChainOptions, import_chain
from marketdata.services.import_rows import ImportedRows
from marketdata.services.name_instruments import BadInstrumentError

HEADER = "ts,underlying,expiry,strike,right,bid,bid_qty,ask,ask_qty,last,volume,oi,oi_change,iv"
FORWARD = "ts,expiry,forward,spread_of_5"
pytestmark = pytest.mark.django_db


def row(minute: int, strike: str = "24500", right: str = "C", oi: object = 10) -> str:
    time = f"2025-08-29T04:{minute:02}:00Z"
    return f"{time},NIFTY,2025-09-02,{strike},{right},100.05,75,101,150,0,5,{oi},0,12.5"


def written(folder: Path, header: str, rows: list[str]) -> Path:
    path = folder / "chain.csv"
    path.write_text("\n".join([header, *rows, ""]))
    return path


def bring_in(path: Path, **options: Any) -> ImportedRows:
    return import_chain(path=path, options=ChainOptions(**{"venue": "NSE", **options}))


def open_interest() -> list[tuple[object, ...]]:
    names = ("instrument__symbol", "observed_at__minute", "open_interest")
    return list(OpenInterest.objects.order_by(*names).values_list(*names))


def test_import_chain_when_new_makes_contracts_with_their_terms(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER, [row(1), row(1, "24550.5", "P"), row(2)])
    report = bring_in(
        path, underlying_kind="index", currency="INR", lot_size=Decimal(75), calendar="NSE"
    )
    assert (report.rows, report.inserted, report.instrument) == (3, 3, "NSE:NIFTY")
    contract = Instrument.objects.get(symbol="NIFTY-20250902-24550.5-P")
    underlying = Instrument.objects.get(symbol="NIFTY")
    assert (contract.kind, contract.strike, contract.right, contract.underlying) == (
        *("option", Decimal("24550.5"), "P"),
        underlying,
    )
    assert contract.expires_at == datetime(2025, 9, 2, 10, 0, tzinfo=UTC)
    assert (contract.currency, contract.tick_size, contract.lot_size, contract.multiplier) == (
        *("INR", Decimal("0.01"), 75, 1),
    )
    assert (underlying.kind, underlying.currency, underlying.calendar) == ("index", "INR", "NSE")
    quote = OptionQuote.objects.get(instrument=contract)
    assert (quote.bid, quote.last, quote.implied_volatility) == (100.05, None, 0.125)
    assert DataImport.objects.get().instrument == underlying


def test_import_chain_when_again_changes_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER, [row(1), row(2, oi=11), row(3, oi=11)])
    bring_in(path)
    before = (open_interest(), Instrument.objects.count())
    again = bring_in(path)
    assert (again.inserted, again.unchanged, again.is_new_instrument) == (0, 3, False)
    assert (open_interest(), Instrument.objects.count()) == before


def test_import_chain_when_calendar_is_unknown_contracts_end_with_the_day(tmp_path: Path) -> None:
    bring_in(written(tmp_path, HEADER, [row(1)]), multiplier=Decimal(100))
    contract = Instrument.objects.get(kind="option")
    assert contract.expires_at == datetime(2025, 9, 3, tzinfo=UTC)
    assert contract.multiplier == 100


ROWS = [row(minute, oi=minute // 3) for minute in range(9)]


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_import_chain_when_cut_doubled_and_shuffled_keeps_the_same_open_interest(
    tmp_path: Path, data: st.DataObject
) -> None:
    files = data.draw(st.lists(st.lists(st.sampled_from(ROWS), min_size=1), max_size=3))
    files.append(data.draw(st.permutations(ROWS)))
    with transaction.atomic():
        for one in data.draw(st.permutations(files)):
            bring_in(written(tmp_path, HEADER, one))
        assert open_interest() == [("NIFTY-20250902-24500-C", n * 3, float(n)) for n in range(3)]
        assert OptionQuote.objects.count() == 9
        transaction.set_rollback(True)


def test_import_chain_when_rows_are_bad_quarantines_them(tmp_path: Path) -> None:
    report = bring_in(written(tmp_path, HEADER, [row(1), row(1, "-5"), row(1, right="X")]))
    assert (report.inserted, report.rejected) == (1, 2)
    assert list(RejectedRow.objects.order_by("line").values_list("line", "reason")) == [
        (3, "a price is zero or negative"),
        (4, "the side is unknown"),
    ]


def test_import_chain_when_a_symbol_is_something_else_refuses(tmp_path: Path) -> None:
    grid = {"tick_size": 1, "lot_size": 1}
    Instrument.objects.create(venue="NSE", symbol="NIFTY-20250902-24500-C", **grid)
    with pytest.raises(BadInstrumentError, match="stored with other terms"):
        bring_in(written(tmp_path, HEADER, [row(1)]))
    assert OptionQuote.objects.count() == 0


def test_import_chain_when_forwards_are_given_makes_an_index_per_expiry(tmp_path: Path) -> None:
    rows = [
        "2025-08-29T03:52:45Z,2025-09-02,24575.42,2.8",
        "2025-08-29T03:52:45Z,2025-09-09,24606.22,1.68",
        "2025-08-29T03:53:45Z,2025-09-02,24575.5,2.8",
    ]
    path = written(tmp_path, FORWARD, rows)
    with pytest.raises(BadInstrumentError, match="forwards of what"):
        bring_in(path)
    assert [bring_in(path, underlying="NIFTY").inserted for _ in range(2)] == [3, 0]
    ticks = Tick.objects.filter(instrument__symbol="NIFTY-20250902-FWD").order_by("ts")
    assert list(ticks.values_list("seq", "price", "size")) == [
        (0, 24575.42, None),
        (0, 24575.5, None),
    ]
    forward = Instrument.objects.get(symbol="NIFTY-20250909-FWD")
    assert forward.underlying is not None
    assert (forward.kind, forward.underlying.symbol, forward.tick_size) == (
        *("index", "NIFTY", Decimal("0.01")),
    )


def test_import_chain_when_file_is_neither_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="columns missing"):
        bring_in(written(tmp_path, "ts,open", ["1,2"]))


def test_import_chain_when_rows_name_another_underlying_stores_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER, [row(1)])
    with pytest.raises(BadInstrumentError, match="rows name NIFTY, not BANKNIFTY: wrong --under"):
        bring_in(path, underlying="BANKNIFTY")
    assert (Instrument.objects.count(), DataImport.objects.count()) == (0, 0)
    assert bring_in(path, underlying="NIFTY").inserted == 1


def test_import_chain_when_contract_has_expired_refuses_the_row(tmp_path: Path) -> None:
    late = row(2).replace("2025-09-02", "2025-08-28")
    report = bring_in(written(tmp_path, HEADER, [row(1), late]))
    reason = "the contract had expired before this day"
    assert (report.inserted, report.reasons) == (1, {reason: 1})
    assert Instrument.objects.filter(kind="option").count() == 1
    forwards = [f"2025-08-29T03:52:45Z,2025-0{day},24575.42,2.8" for day in ("9-02", "8-28")]
    report = bring_in(written(tmp_path, FORWARD, forwards), underlying="NIFTY")
    assert (report.inserted, report.reasons) == (1, {reason: 1})
