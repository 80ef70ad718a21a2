"""A master and the record: the difference is told exactly, and the same master again has none."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketdata.feeds.base import FeedInstrument
from marketdata.instrument_masters import MasterRow, offered_row, row_of
from marketdata.models import DataImport, Instrument, Provider, ProviderSymbol, RejectedRow
from marketdata.services import sync_instruments as module
from marketdata.services.sync_instruments import (
    BadMasterError,
    Change,
    InstrumentReport,
    sync_instruments,
)

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 6, 1, tzinfo=UTC)
LATER = NOW + timedelta(days=30)
SHARE = FeedInstrument("NSE", "SBIN", "equity", "INR", Decimal("0.05"), Decimal(1))
INDEX = FeedInstrument("NSE", "NIFTY", "index", "INR", Decimal("0.05"), Decimal(1))
FUTURE = replace(
    INDEX, symbol="NIFTY-FUT", kind="future", lot_size=Decimal(75), expires_at=LATER,
    underlying="NSE:NIFTY",
)  # fmt: skip
CALL = replace(FUTURE, symbol="NIFTY-26000-C", kind="option", strike=Decimal(26000), right="C")


def sync(*instruments: FeedInstrument, **options: Any) -> InstrumentReport:
    rows = [offered_row(line, one) for line, one in enumerate(instruments, start=1)]
    return sync_rows(*rows, **options)


def sync_rows(*rows: MasterRow, **options: Any) -> InstrumentReport:
    given = {"source": "master", "now": NOW} | options
    return sync_instruments(rows=iter(rows), **given)


def counts(report: InstrumentReport) -> dict[str, int]:
    """Return the counts that are not 0."""
    names = ("added", "changed", "unchanged", "repeated", "rejected", "expired", "missing")
    assert report.rows == sum(getattr(report, name) for name in names[:5])
    return {name: getattr(report, name) for name in names if getattr(report, name)}


def stored() -> list[tuple[Any, ...]]:
    fields = (
        *("venue", "symbol", "kind", "currency", "tick_size", "lot_size", "multiplier"),
        *("calendar", "expires_at", "strike", "right", "underlying__symbol", "is_active"),
    )
    return list(Instrument.objects.order_by("venue", "symbol").values_list(*fields))


def test_sync_when_new_adds_each_with_its_underlying() -> None:
    report = sync(CALL, FUTURE, SHARE, INDEX)  # what is derived stands before what it is of
    assert counts(report) == {"added": 4}
    assert set(report.added_names) == {
        "NSE:NIFTY",
        "NSE:NIFTY-26000-C",
        "NSE:NIFTY-FUT",
        "NSE:SBIN",
    }
    tick, one = Decimal("0.05"), Decimal(1)
    assert stored() == [
        ("NSE", "NIFTY", "index", "INR", tick, one, one, "", None, None, "", None, True),
        ("NSE", "NIFTY-26000-C", "option", "INR", tick, Decimal(75), one, "", LATER,
         Decimal(26000), "C", "NIFTY", True),
        ("NSE", "NIFTY-FUT", "future", "INR", tick, Decimal(75), one, "", LATER, None, "",
         "NIFTY", True),
        ("NSE", "SBIN", "equity", "INR", tick, one, one, "", None, None, "", None, True),
    ]  # fmt: skip


def test_sync_when_repeated_changes_nothing() -> None:
    sync(CALL, FUTURE, SHARE, INDEX)
    before = stored()
    assert counts(sync(CALL, FUTURE, SHARE, INDEX)) == {"unchanged": 4}
    assert stored() == before
    assert list(DataImport.objects.order_by("pk").values_list("kind", "inserted", "unchanged")) == [
        ("instruments", 4, 0), ("instruments", 0, 4),
    ]  # fmt: skip


def test_sync_when_something_differs_names_field_old_and_new_and_lots_apart() -> None:
    sync(INDEX, FUTURE, SHARE)
    moved = LATER + timedelta(days=1)
    report = sync(
        replace(FUTURE, lot_size=Decimal(65), expires_at=moved),
        replace(SHARE, tick_size=Decimal("0.010"), calendar="NSE", multiplier=Decimal("2.50")),
        INDEX,
    )
    assert counts(report) == {"changed": 2, "unchanged": 1}
    assert report.changed_lots == [Change("NSE:NIFTY-FUT", "lot_size", "75", "65")]
    assert report.changes == [
        Change("NSE:NIFTY-FUT", "expires_at", "2026-07-01T00:00:00Z", "2026-07-02T00:00:00Z"),
        Change("NSE:SBIN", "tick_size", "0.05", "0.01"),
        Change("NSE:SBIN", "multiplier", "1", "2.5"),
        Change("NSE:SBIN", "calendar", "", "NSE"),
    ]
    assert report.fields == {
        "calendar": 1, "expires_at": 1, "lot_size": 1, "multiplier": 1, "tick_size": 1,
    }  # fmt: skip
    assert Instrument.objects.get(symbol="NIFTY-FUT").lot_size == 65
    record = DataImport.objects.latest("pk")
    assert (record.corrected, record.report["changed_lots"][0]["new"]) == (2, "65")


def test_sync_when_the_underlying_is_another_names_both() -> None:
    other = replace(INDEX, symbol="BANKNIFTY")
    sync(INDEX, FUTURE, other)
    report = sync(replace(FUTURE, underlying="NSE:BANKNIFTY"))
    assert report.changes == [Change("NSE:NIFTY-FUT", "underlying", "NSE:NIFTY", "NSE:BANKNIFTY")]
    assert Instrument.objects.get(symbol="NIFTY-FUT").underlying.symbol == "BANKNIFTY"


def test_sync_when_a_master_does_not_say_something_keeps_it() -> None:
    sync(replace(SHARE, calendar="NSE", multiplier=Decimal(10)), INDEX, FUTURE)
    before = stored()
    said = {"venue": "NSE", "kind": "equity", "currency": "INR", "tick_size": "0.05"}
    bare = row_of(1, "", {**said, "symbol": "SBIN", "lot_size": "1"})
    future = row_of(2, "", {**said, "symbol": "NIFTY-FUT", "kind": "future", "lot_size": "75"})
    assert counts(sync_rows(bare, future)) == {"unchanged": 2}
    assert stored() == before


def test_sync_when_past_its_expiry_is_no_longer_active_but_kept() -> None:
    sync(INDEX, FUTURE, CALL)
    report = sync(INDEX, FUTURE, CALL, now=LATER)
    assert counts(report) == {"unchanged": 3, "expired": 2}
    assert sorted(report.expired_names) == ["NSE:NIFTY-26000-C", "NSE:NIFTY-FUT"]
    assert list(Instrument.objects.filter(is_active=True).values_list("symbol")) == [("NIFTY",)]
    assert counts(sync(INDEX, FUTURE, CALL, now=LATER)) == {"unchanged": 3}


def test_sync_when_new_and_long_expired_is_added_as_expired() -> None:
    assert counts(sync(INDEX, FUTURE, now=LATER)) == {"added": 2}
    assert not Instrument.objects.get(symbol="NIFTY-FUT").is_active


def test_sync_when_listed_again_is_active_again() -> None:
    sync(INDEX, SHARE)
    sync(INDEX, is_complete=True)
    report = sync(INDEX, SHARE)
    assert report.changes == [Change("NSE:SBIN", "is_active", "false", "true")]


def test_sync_when_the_master_is_complete_takes_the_rest_of_its_venues_off() -> None:
    other = replace(SHARE, venue="BSE")
    sync(INDEX, SHARE, other)
    assert counts(sync(INDEX)) == {"unchanged": 1}
    report = sync(INDEX, is_complete=True)
    assert (counts(report), report.missing_names) == ({"unchanged": 1, "missing": 1}, ["NSE:SBIN"])
    assert Instrument.objects.get(venue="BSE").is_active
    assert counts(sync(INDEX, is_complete=True)) == {"unchanged": 1}


def test_sync_when_a_refused_row_names_an_instrument_it_is_not_missing() -> None:
    sync(INDEX, SHARE)
    report = sync(INDEX, replace(SHARE, lot_size=Decimal(0)), is_complete=True)
    assert counts(report) == {"unchanged": 1, "rejected": 1}
    assert Instrument.objects.get(symbol="SBIN").is_active


def test_sync_when_a_refused_row_names_nothing_nothing_counts_as_missing() -> None:
    sync(INDEX, SHARE)
    nameless = row_of(2, "?", {"venue": "NSE"})
    report = sync_rows(offered_row(1, INDEX), nameless, is_complete=True)
    assert counts(report) == {"unchanged": 1, "rejected": 1}
    assert report.notes == ["nothing counts as missing: 1 refused rows bear no name"]


def test_sync_when_a_complete_master_lacks_most_of_a_venue_is_refused() -> None:
    many = [replace(SHARE, symbol=f"S{n}") for n in range(60)]
    sync(*many)
    with pytest.raises(BadMasterError, match="lacks 31 of the 60 instruments of NSE"):
        sync(*many[:29], is_complete=True)
    assert Instrument.objects.filter(is_active=True).count() == 60
    assert counts(sync(*many[:30], is_complete=True)) == {"unchanged": 30, "missing": 30}


def test_sync_when_rows_are_twice_counts_equal_ones_and_refuses_others() -> None:
    report = sync(SHARE, INDEX, SHARE, replace(SHARE, lot_size=Decimal(5)))
    assert counts(report) == {"added": 2, "repeated": 1, "rejected": 1}
    assert report.reasons == {"same instrument as an earlier row, other values": 1}
    assert Instrument.objects.get(symbol="SBIN").lot_size == 1


def test_sync_when_the_underlying_is_nowhere_refuses_that_row() -> None:
    report = sync(SHARE, replace(CALL, underlying="NSE:NOWHERE"))
    assert counts(report) == {"added": 1, "rejected": 1}
    kept = RejectedRow.objects.get()
    assert (kept.line, kept.text, kept.reason) == (
        2, "NSE:NIFTY-26000-C", "underlying NSE:NOWHERE is unknown",
    )  # fmt: skip


def test_sync_when_every_row_is_refused_stores_nothing() -> None:
    with pytest.raises(BadMasterError, match=r"every one of 1 rows was refused \(line 1: lot_size"):
        sync(replace(SHARE, lot_size=Decimal(0)))
    assert (DataImport.objects.count(), RejectedRow.objects.count()) == (0, 0)


def test_sync_when_there_are_no_rows_refuses() -> None:
    with pytest.raises(BadMasterError, match="master: no instruments in it"):
        sync()


def test_sync_when_a_dry_run_tells_the_same_and_stores_nothing() -> None:
    sync(INDEX, SHARE)
    before = stored()
    dry = sync(FUTURE, replace(SHARE, lot_size=Decimal(5)), is_dry_run=True)
    assert (stored(), DataImport.objects.count()) == (before, 1)
    wet = sync(FUTURE, replace(SHARE, lot_size=Decimal(5)))
    assert dry == replace(wet, is_dry_run=True)


def test_sync_when_texts_are_odd_keeps_them_exactly() -> None:
    odd = replace(SHARE, symbol="A\\N\\tB 'x' \"y\" %s é")
    assert counts(sync(odd)) == {"added": 1}
    assert Instrument.objects.get().symbol == odd.symbol
    assert counts(sync(odd)) == {"unchanged": 1}


def test_sync_when_more_change_than_are_named_counts_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_NAMED", 3)
    monkeypatch.setattr(module, "ROWS_PER_COPY", 4)
    many = [replace(SHARE, symbol=f"S{n}") for n in range(10)]
    assert (sync(*many).added, len(sync(*many).added_names)) == (10, 0)
    report = sync(*(replace(one, lot_size=Decimal(2)) for one in many))
    assert (report.changed, len(report.changed_lots), report.fields) == (10, 3, {"lot_size": 10})


def symbols(provider: Provider) -> dict[str, str]:
    found = ProviderSymbol.objects.filter(provider=provider)
    return dict(found.values_list("instrument__symbol", "symbol"))


def test_sync_when_for_a_provider_keeps_its_symbols_and_follows_them() -> None:
    provider = Provider.objects.create(name="one", feed="files")
    Provider.objects.create(name="two", feed="files")
    a, b, c = (replace(SHARE, symbol=name) for name in "ABC")
    first = [replace(a, provider_symbol="x"), replace(b, provider_symbol="y"), c]
    assert sync(*first, provider=provider).symbols == 2
    assert symbols(provider) == {"A": "x", "B": "y"}
    assert sync(*first, provider=provider).symbols == 0
    # Two exchange their symbols, and the third takes a new one.
    second = [replace(a, provider_symbol="y"), replace(b, provider_symbol="x")]
    report = sync(*second, replace(c, provider_symbol="z"), provider=provider)
    assert (report.symbols, symbols(provider)) == (3, {"A": "y", "B": "x", "C": "z"})
    # A symbol that another instrument bears from now on leaves the old one.
    assert sync(replace(c, provider_symbol="y"), provider=provider).symbols == 1
    assert symbols(provider) == {"B": "x", "C": "y"}
    assert ProviderSymbol.objects.exclude(provider=provider).count() == 0


def test_sync_when_a_provider_symbol_is_twice_refuses_the_second() -> None:
    provider = Provider.objects.create(name="one", feed="files")
    first = replace(SHARE, provider_symbol="x")
    report = sync(first, replace(INDEX, provider_symbol="x"), provider=provider)
    assert report.reasons == {"provider symbol 'x' stands in an earlier row": 1}


MASTERS = st.lists(
    st.tuples(
        st.sampled_from("ABCDE"),
        st.sampled_from(["1", "5", "0", "x"]),
        st.sampled_from(["", "NSE"]),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=25, deadline=None)
@given(master=MASTERS)
def test_sync_when_any_master_comes_twice_is_the_same_as_once(
    master: list[tuple[str, str, str]],
) -> None:
    rows = [
        row_of(line, "", {
            "venue": "NSE", "symbol": symbol, "kind": "equity", "currency": "INR",
            "tick_size": "0.05", "lot_size": lot, "calendar": calendar,
        })
        for line, (symbol, lot, calendar) in enumerate(master, start=1)
    ]  # fmt: skip
    Instrument.objects.all().delete()
    try:
        first = sync_rows(*rows)
    except BadMasterError:
        assert not Instrument.objects.exists()
        return
    once = stored()
    second = sync_rows(*rows)
    assert stored() == once
    assert (second.added, second.changed) == (0, 0)
    assert second.unchanged == first.added == len(once)
    assert (second.repeated, second.rejected) == (first.repeated, first.rejected)
