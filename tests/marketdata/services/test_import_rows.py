"""Trades, quotes and books into tables: counted, quarantined, the same however they are cut."""

import gzip
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.bars import Timeframe
from marketdata.models import DataImport, DepthLevel, Instrument, Quote, QuoteBar, RejectedRow, Tick
from marketdata.row_layouts import BadFileError
from marketdata.services.import_rows import (
    LEVEL_PLAN,
    MESSAGE_PLAN,
    QUOTE_PLAN,
    TICK_PLAN,
    ImportedRows,
    ImportPlan,
    import_rows,
    quote_bar_plan,
)
from marketdata.services.name_instruments import InstrumentOptions

T0 = datetime(2024, 1, 31, 23, 59, 59, tzinfo=UTC)
SHARES = "ts,price,size,exchange,cond,suspicious"
CRYPTO = "ts,trade_id,side,price,amount,cost"
QUOTES = "ts,bid,bid_size,ask,ask_size,exchange,cond,suspicious"
pytestmark = pytest.mark.django_db


def at(millisecond: int) -> str:
    return f"{T0 + timedelta(milliseconds=millisecond):%Y-%m-%dT%H:%M:%S.%f}Z"


def trade(millisecond: int, price: float = 10.5, exchange: str = "P") -> str:
    return f"{at(millisecond)},{price},100,{exchange},20,0"


def crypto(millisecond: int, trade_id: int) -> str:
    return f"{at(millisecond)},{trade_id},buy,{10 + trade_id / 100},1.5,1"


def written(folder: Path, header: str, rows: list[str]) -> Path:
    path = folder / "rows.csv"
    path.write_text("\n".join([header, *rows, ""]))
    return path


def bring_in(path: Path, plan: ImportPlan = TICK_PLAN, **options: Any) -> ImportedRows:
    instrument = InstrumentOptions(**{"symbol": "ABC", "venue": "TEST", **options})
    return import_rows(path=path, plan=plan, instrument=instrument)


def counts(report: ImportedRows) -> tuple[int, ...]:
    return report.rows, report.inserted, report.unchanged, report.rejected


def ticks() -> list[tuple[object, ...]]:
    names = ("ts", "seq", "price", "size", "side", "exchange", "cond", "is_suspicious", "trade_id")
    return list(Tick.objects.order_by("ts", "seq").values_list(*names))


def test_import_when_trades_are_new_makes_instrument_and_record(tmp_path: Path) -> None:
    path = written(tmp_path, SHARES, [trade(0), trade(0, 10.25, "Nasdaq"), trade(2000)])
    report = bring_in(path)
    assert counts(report) == (3, 3, 0, 0)
    assert [one[:6] for one in ticks()] == [
        (T0, 0, 10.5, 100.0, 0, "P"),
        (T0, 1, 10.25, 100.0, 0, "Nasdaq"),
        (T0 + timedelta(seconds=2), 0, 10.5, 100.0, 0, "P"),
    ]
    assert Instrument.objects.get().tick_size == Decimal("0.01")
    record = DataImport.objects.get()
    assert (record.kind, record.rows, record.inserted, record.report["grid"]) == (
        *("ticks", 3, 3),
        "tick inferred from the decimals of the prices, lot inferred from the volumes",
    )


def test_import_when_again_changes_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, SHARES, [trade(0), trade(0), trade(1)])
    bring_in(path)
    before = ticks()
    assert counts(bring_in(path)) == (3, 0, 3, 0)
    assert ticks() == before


def test_import_when_rows_are_bad_quarantines_them(tmp_path: Path) -> None:
    rows = [trade(0), "rubbish", trade(1, -1), trade(2), trade(3, exchange="x" * 9)]
    assert counts(bring_in(written(tmp_path, SHARES, rows))) == (5, 2, 0, 3)
    assert list(RejectedRow.objects.order_by("line").values_list("line", "reason")) == [
        (3, "wrong number of columns"),
        (4, "a price is zero or negative"),
        (6, "a word is empty, too long or not printable"),
    ]


def test_import_when_a_stored_instant_has_other_values_refuses_the_row(tmp_path: Path) -> None:
    bring_in(written(tmp_path, SHARES, [trade(0), trade(1)]))
    report = bring_in(written(tmp_path, SHARES, [trade(0), trade(1, 11), trade(2)]))
    assert counts(report) == (3, 1, 1, 1)
    assert [one[2] for one in ticks()] == [10.5, 10.5, 10.5]
    refused = RejectedRow.objects.get()
    assert (refused.line, refused.text) == (3, trade(1, 11))


def test_import_when_every_row_is_bad_stores_nothing(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="every one of 2 rows"):
        bring_in(written(tmp_path, SHARES, ["a", "b"]))
    assert (Instrument.objects.count(), DataImport.objects.count()) == (0, 0)


def test_import_when_gzip_breaks_off_stores_nothing(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv.gz"
    packed = gzip.compress("\n".join([SHARES, *(trade(n) for n in range(9000))]).encode())
    path.write_bytes(packed[: len(packed) * 9 // 10])
    with pytest.raises(BadFileError, match="cut off"):
        bring_in(path)
    assert (Tick.objects.count(), Instrument.objects.count()) == (0, 0)


def test_import_when_interrupted_stores_nothing_and_may_be_repeated(tmp_path: Path) -> None:
    path = written(tmp_path, SHARES, [trade(0)])

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_rows(
            path=path,
            plan=TICK_PLAN,
            instrument=InstrumentOptions(symbol="ABC", venue="TEST"),
            progress=interrupt,
        )
    assert (Tick.objects.count(), Instrument.objects.count()) == (0, 0)
    assert counts(bring_in(path)) == (1, 1, 0, 0)


def test_import_when_rows_go_back_in_time_says_so(tmp_path: Path) -> None:
    report = bring_in(written(tmp_path, SHARES, [trade(5), trade(1), trade(3)]))
    assert report.notes == ["1 times the next row was older: stored by time"]
    assert [one[0] for one in ticks()] == [T0 + timedelta(milliseconds=n) for n in (1, 3, 5)]


# Trades of one instant without ids are told apart by their order alone, so they stay together.
INSTANTS = [
    [trade(n, 10 + random.Random(n * 9 + k).random()) for k in range(1 + n % 3)] for n in range(8)
]
WITH_IDS = [crypto(n // 3, 100 + n) for n in range(16)]


def same_table(folder: Path, header: str, whole: list[str], files: list[list[str]]) -> bool:
    with transaction.atomic():
        bring_in(written(folder, header, whole))
        expected = ticks()
        transaction.set_rollback(True)
    with transaction.atomic():
        for one in files:
            bring_in(written(folder, header, one))
        found = ticks()
        transaction.set_rollback(True)
    return found == expected


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_import_when_trades_without_ids_are_cut_between_instants_gives_the_same_table(
    tmp_path: Path, data: st.DataObject
) -> None:
    whole = [row for instant in INSTANTS for row in instant]
    # Neighbours of one instant would read as more trades of it, so no instant stands twice
    # in a row.
    files = data.draw(
        st.lists(st.lists(st.sampled_from(range(8)), min_size=1, max_size=9), max_size=3)
    )
    files.append(data.draw(st.permutations(range(8))))
    parts = [
        [row for k, n in enumerate(one) if not k or one[k - 1] != n for row in INSTANTS[n]]
        for one in data.draw(st.permutations(files))
    ]
    assert same_table(tmp_path, SHARES, whole, parts)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_import_when_trades_have_ids_any_order_and_cut_gives_the_same_table(
    tmp_path: Path, data: st.DataObject
) -> None:
    files = data.draw(
        st.lists(st.lists(st.sampled_from(WITH_IDS), min_size=1, max_size=20), max_size=3)
    )
    files.append(data.draw(st.permutations(WITH_IDS)))
    assert same_table(tmp_path, CRYPTO, WITH_IDS, data.draw(st.permutations(files)))


def test_import_when_trades_without_ids_are_cut_inside_an_instant_refuses_what_differs(
    tmp_path: Path,
) -> None:
    bring_in(written(tmp_path, SHARES, [trade(0, 10)]))
    report = bring_in(written(tmp_path, SHARES, [trade(0, 11)]))
    assert (counts(report), list(report.reasons)) == (
        (1, 0, 0, 1),
        ["same time as an earlier row, other values"],
    )


def test_import_when_quotes_are_crossed_keeps_and_counts_them(tmp_path: Path) -> None:
    rows = [f"{at(0)},10,1,9,1,K,1,0", f"{at(0)},0,0,9,1,K,1,0"]
    report = bring_in(written(tmp_path, QUOTES, rows), QUOTE_PLAN)
    assert (counts(report), report.crossed, report.notes) == (
        (2, 2, 0, 0),
        1,
        ["1 rows have a bid above their ask: kept"],
    )
    names = ("seq", "bid", "bid_size", "is_suspicious")
    assert list(Quote.objects.order_by("seq").values_list(*names)) == [
        (0, 10.0, 1.0, True),
        (1, None, None, False),
    ]


def test_import_when_quote_bars_lie_on_the_sessions_grid_takes_them(tmp_path: Path) -> None:
    header = "ts,bid_open,bid_high,bid_low,bid_close,ask_open,ask_high,ask_low,ask_close"
    path = written(tmp_path, header, ["2024-01-02T03:45:00Z,1,1,1,1,2,2,2,2"])
    plan = quote_bar_plan(Timeframe.H1)
    with pytest.raises(BadFileError, match="grid"):
        bring_in(path, plan)
    assert counts(bring_in(path, plan, calendar="NSE")) == (1, 1, 0, 0)
    bar = QuoteBar.objects.get()
    assert (bar.timeframe, bar.closed_at - bar.opened_at) == ("1h", timedelta(hours=1))


def test_import_when_levels_lack_update_ids_they_are_null(tmp_path: Path) -> None:
    path = written(tmp_path, "ts,seq,type,side,price,qty", [f"{at(0)},7,delta,A,1.5,0"])
    assert counts(bring_in(path, LEVEL_PLAN)) == (1, 1, 0, 0)
    level = DepthLevel.objects.get()
    assert (level.seq, level.place, level.side, level.quantity, level.update_id) == (
        *(7, 0, -1, 0.0, None),
    )


def test_import_when_layout_is_of_another_kind_names_what_is_missing(tmp_path: Path) -> None:
    path = written(tmp_path, SHARES, [trade(0)])
    with pytest.raises(BadFileError, match="columns missing: action, side, order_id, flags"):
        bring_in(path, MESSAGE_PLAN)
