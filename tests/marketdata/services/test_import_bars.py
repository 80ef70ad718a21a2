"""Files into tables: counted, quarantined, all or nothing, the same however they are cut."""

import gzip
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.bars import Timeframe
from marketdata import row_files
from marketdata.models import (
    Bar,
    DataImport,
    DataRevision,
    Dividend,
    Instrument,
    RejectedRow,
    Split,
)
from marketdata.row_layouts import BadFileError
from marketdata.services import import_ledger
from marketdata.services.import_bars import ImportedBars, import_bars
from marketdata.services.name_instruments import BadInstrumentError, InstrumentOptions

T0 = datetime(2024, 1, 1, tzinfo=UTC)
HEADER = "ts,open,high,low,close,volume"
pytestmark = pytest.mark.django_db


def row(minute: int, close: float = 10.5, volume: object = 7) -> str:
    opened_at = T0 + timedelta(minutes=minute)
    return f"{opened_at:%Y-%m-%dT%H:%M:%SZ},10,12,9,{close},{volume}"


def written(folder: Path, rows: list[str], header: str = HEADER) -> Path:
    path = folder / "bars.csv"
    path.write_text("\n".join([header, *rows, ""]))
    return path


def bring_in(path: Path, timeframe: str = "1m", **options: Any) -> ImportedBars:
    return import_bars(
        path=path,
        timeframe=Timeframe.parse(timeframe),
        instrument=InstrumentOptions(**{"symbol": "ABC", "venue": "TEST", **options}),
    )


def table() -> list[tuple[object, ...]]:
    return list(Bar.objects.order_by("opened_at").values_list("opened_at", "close", "volume"))


def counts(report: ImportedBars) -> tuple[int, ...]:
    return (
        *(report.rows, report.inserted, report.unchanged),
        *(report.corrected, report.repeated, report.rejected),
    )


def test_import_bars_when_new_makes_instrument_and_record(tmp_path: Path) -> None:
    report = bring_in(written(tmp_path, [row(0), row(1, 10.25)]))
    assert counts(report) == (2, 2, 0, 0, 0, 0)
    instrument = Instrument.objects.get()
    assert (str(instrument), instrument.kind, instrument.currency) == (
        "TEST:ABC",
        "equity",
        "USD",
    )
    assert (instrument.tick_size, instrument.lot_size) == (Decimal("0.01"), Decimal(1))
    assert (
        report.grid
        == "tick inferred from the decimals of the prices, lot inferred from the volumes"
    )
    record = DataImport.objects.get()
    assert (record.source, record.rows, record.inserted, record.rejected) == (
        "bars.csv",
        2,
        2,
        0,
    )
    assert len(record.sha256) == 64


def test_import_bars_when_again_changes_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, [row(0), row(1)])
    bring_in(path)
    before = table()
    again = bring_in(path)
    assert (counts(again), again.grid) == ((2, 0, 2, 0, 0, 0), "as stored")
    assert table() == before


def test_import_bars_when_values_changed_corrects_them(tmp_path: Path) -> None:
    bring_in(written(tmp_path, [row(0), row(1)]))
    assert counts(bring_in(written(tmp_path, [row(0), row(1, 11)]))) == (
        2,
        0,
        1,
        1,
        0,
        0,
    )


def test_import_bars_when_volumes_are_fractions_has_small_lots(tmp_path: Path) -> None:
    report = bring_in(written(tmp_path, [row(0, volume=0.25)]), kind="crypto")
    assert (report.lot_size, Instrument.objects.get().kind) == ("0.00001", "crypto")


def test_import_bars_when_grid_is_given_keeps_it(tmp_path: Path) -> None:
    report = bring_in(written(tmp_path, [row(0)]), tick_size=Decimal("0.05"), lot_size=Decimal(100))
    assert (report.tick_size, report.lot_size) == ("0.05", "100")
    assert report.grid == "tick given, lot given"


def test_import_bars_when_rows_are_bad_quarantines_them(tmp_path: Path) -> None:
    rows = [row(0), "rubbish", row(1, 13), row(2), row(3, "nan"), row(20_000_000)]
    report = bring_in(written(tmp_path, rows))
    assert counts(report) == (6, 2, 0, 0, 0, 4)
    kept = RejectedRow.objects.order_by("line").values_list("line", "text", "reason")
    assert list(kept) == [
        (3, "rubbish", "wrong number of columns"),
        (4, row(1, 13), "open or close lies outside high-low"),
        (6, row(3, "nan"), "a price or the volume is NaN or infinite"),
        (7, row(20_000_000), "the bar has not closed yet"),
    ]
    assert sum(report.reasons.values()) == 4


def test_import_bars_when_text_is_long_or_binary_keeps_what_fits(
    tmp_path: Path,
) -> None:
    bring_in(written(tmp_path, [row(0), "\x00" + "x" * 900]))
    assert len(RejectedRow.objects.get().text) == 400


def test_import_bars_when_off_grid_quarantines_those(tmp_path: Path) -> None:
    odd = "2024-01-01T00:05:30Z,10,12,9,10,7"
    assert bring_in(written(tmp_path, [row(0), odd, row(1)])).reasons == {
        "time does not lie on the timeframe's grid": 1
    }


def test_import_bars_when_most_rows_are_off_grid_stores_nothing(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="wrong timeframe"):
        bring_in(written(tmp_path, [row(n) for n in range(20)]), "5m")
    assert (
        Bar.objects.count(),
        Instrument.objects.count(),
        DataImport.objects.count(),
    ) == (0, 0, 0)


def test_import_bars_when_rows_lie_far_apart_says_so(tmp_path: Path) -> None:
    assert "is 1m the right timeframe?" in bring_in(written(tmp_path, [row(0), row(5)])).notes[0]


def test_import_bars_when_every_row_is_bad_stores_nothing(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match=r"every one of 2 rows .*line 2: wrong number"):
        bring_in(written(tmp_path, ["a", "b"]))
    assert (Instrument.objects.count(), DataImport.objects.count()) == (0, 0)


def test_import_bars_when_file_breaks_off_stores_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_files, "BLOCK_BYTES", 20_000)
    whole = gzip.compress("\n".join([HEADER, *(row(n) for n in range(20_000))]).encode())
    path = tmp_path / "bars.csv.gz"
    path.write_bytes(whole[: len(whole) * 9 // 10])
    with pytest.raises(BadFileError, match="cut off"):
        bring_in(path)
    assert (Bar.objects.count(), Instrument.objects.count()) == (0, 0)


def test_import_bars_when_interrupted_stores_nothing(tmp_path: Path) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_bars(
            path=written(tmp_path, [row(0)]),
            timeframe=Timeframe.M1,
            instrument=InstrumentOptions(symbol="ABC", venue="TEST"),
            progress=interrupt,
        )
    assert (Bar.objects.count(), Instrument.objects.count()) == (0, 0)


def test_import_bars_when_disordered_and_doubled_stores_each_once(
    tmp_path: Path,
) -> None:
    report = bring_in(written(tmp_path, [row(2), row(0), row(2), row(1), row(0, 11), row(0)]))
    assert counts(report) == (6, 3, 0, 0, 2, 1)
    assert [close for _, close, _ in table()] == [10.5, 10.5, 10.5]
    rejected = RejectedRow.objects.get()
    assert (rejected.line, rejected.text) == (6, row(0, 11))
    assert rejected.reason == "same time as an earlier row, other values"


def test_import_bars_when_doubles_are_unmeasured_counts_them_equal(
    tmp_path: Path,
) -> None:
    report = bring_in(written(tmp_path, [row(0, volume=""), row(0, volume=""), row(0)]))
    assert counts(report) == (3, 1, 0, 0, 1, 1)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_import_bars_when_cut_doubled_and_shuffled_anyhow_gives_the_same_table(
    tmp_path: Path, data: st.DataObject
) -> None:
    rows = [row(n, 10 + n / 100, random.Random(n).choice(["", n])) for n in range(10)]
    files = data.draw(
        st.lists(st.lists(st.sampled_from(rows), min_size=1, max_size=30), max_size=4)
    )
    files.append(data.draw(st.permutations(rows)))
    with transaction.atomic():
        bring_in(written(tmp_path, rows))
        expected = table()
        transaction.set_rollback(True)
    with transaction.atomic():
        for one in data.draw(st.permutations(files)):
            bring_in(written(tmp_path, one))
        assert table() == expected
        transaction.set_rollback(True)


def test_import_bars_when_splits_are_declared_stores_each_once(tmp_path: Path) -> None:
    header = "date,open,high,low,close,volume,price_factor,split_factor"
    rows = [f"2024-01-0{n},10,12,9,11,5,1,{0.25 if n < 4 else 1}" for n in (5, 2, 3, 4)]
    path = written(tmp_path, rows, header)
    assert bring_in(path, "1d").splits == 1
    assert bring_in(path, "1d").splits == 0
    split = Split.objects.get()
    assert (split.effective_at, split.ratio) == (
        datetime(2024, 1, 4, tzinfo=UTC),
        Decimal(4),
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"symbol": ""}, "symbol"),
        ({"symbol": "x" * 41}, "1 to 40"),
        ({"venue": "A:B"}, "colon"),
        ({"venue": "tab\t"}, "printable"),
        ({"kind": "bond"}, "unknown kind 'bond'; known: equity, etf, index, future, option"),
        ({"tick_size": Decimal(0)}, "tick_size 0"),
        ({"tick_size": Decimal("NaN")}, "tick_size"),
        ({"lot_size": Decimal(-1)}, "lot_size -1"),
        ({"lot_size": Decimal("1e-11")}, "10 decimals"),
        ({"currency": "x" * 11}, "currency"),
    ],
)
def test_import_bars_when_options_are_wrong_refuses(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadInstrumentError, match=message):
        bring_in(written(tmp_path, [row(0)]), **options)
    assert Instrument.objects.count() == 0


def test_import_bars_when_options_contradict_the_record_refuses(tmp_path: Path) -> None:
    path = written(tmp_path, [row(0)])
    bring_in(path)
    bring_in(path, kind="equity", currency="USD", tick_size=Decimal("0.1"))
    with pytest.raises(BadInstrumentError, match="stored with kind equity, not fx"):
        bring_in(path, kind="fx")


def test_import_bars_when_factors_jump_stores_dividends_once(tmp_path: Path) -> None:
    header = "date,open,high,low,close,volume,price_factor,split_factor"
    factors = ("0.9", "0.9", "0.95", "1", "")
    rows = [f"2024-01-0{n},10,12,9,11,5,{factor},1" for n, factor in enumerate(factors, start=2)]
    path = written(tmp_path, rows, header)
    assert [bring_in(path, "1d").dividends for _ in range(2)] == [2, 0]
    found = Dividend.objects.values_list("effective_at__date", "factor", "source")
    assert [(f"{day:%m-%d}", factor, source) for day, factor, source in found] == [
        ("01-04", Decimal("0.9473684211"), "price_factor of bars.csv"),
        ("01-05", Decimal("0.95"), "price_factor of bars.csv"),
    ]


def test_import_bars_when_calendar_is_known_days_last_a_session(tmp_path: Path) -> None:
    path = written(tmp_path, ["2024-01-02,10,12,9,11,5"], "date,open,high,low,close,volume")
    bring_in(path, "1d", calendar="NSE")
    bar = Bar.objects.get()
    assert (bar.opened_at, bar.closed_at) == (
        datetime(2024, 1, 2, 3, 45, tzinfo=UTC),
        datetime(2024, 1, 2, 10, 0, tzinfo=UTC),
    )
    assert counts(bring_in(path, "1d")) == (1, 0, 1, 0, 0, 0)


def test_import_bars_when_days_are_stored_as_utc_days_goes_on_so(tmp_path: Path) -> None:
    header = "date,open,high,low,close,volume"
    bring_in(written(tmp_path, ["2024-01-02,10,12,9,11,5"], header), "1d")
    rows = ["2024-01-02,10,12,9,11,5", "2024-01-03,10,12,9,11,5"]
    report = bring_in(written(tmp_path, rows, header), "1d", calendar="NSE")
    assert counts(report) == (2, 1, 1, 0, 0, 0)
    assert [opened_at.hour for opened_at, _, _ in table()] == [0, 0]


def test_import_bars_when_hours_open_with_the_session_takes_them(tmp_path: Path) -> None:
    rows = [f"2024-01-02T0{hour}:45:00Z,10,12,9,11,5" for hour in (3, 4, 5)]
    path = written(tmp_path, rows)
    with pytest.raises(BadFileError, match=r"every one of 3 rows .* grid"):
        bring_in(path, "1h")
    assert counts(bring_in(path, "1h", calendar="NSE")) == (3, 3, 0, 0, 0, 0)


def test_import_bars_when_timeframes_are_mixed_stores_nothing(tmp_path: Path) -> None:
    rows = [*(row(n) for n in range(30)), *(row(n) for n in range(30, 180, 5))]
    path = written(tmp_path, rows)
    for timeframe in ("1m", "5m"):
        with pytest.raises(BadFileError, match="stand in one file"):
            bring_in(path, timeframe)
    assert Bar.objects.count() == 0


def test_import_bars_when_later_file_has_finer_prices_says_so(tmp_path: Path) -> None:
    assert bring_in(written(tmp_path, [row(0)])).notes == []
    report = bring_in(written(tmp_path, [row(1, 10.125)]))
    assert report.notes == ["prices have 3 decimals, more than the stored tick size 0.1"]


def test_import_bars_when_times_have_no_zone_asks_for_it(tmp_path: Path) -> None:
    rows = ["2024-01-02T09:15:00,10,12,9,11,5"]
    with pytest.raises(BadFileError, match="time has no zone"):
        bring_in(written(tmp_path, rows))
    report = import_bars(
        path=written(tmp_path, rows),
        timeframe=Timeframe.M1,
        instrument=InstrumentOptions(symbol="ABC", venue="TEST"),
        zone=ZoneInfo("Asia/Kolkata"),
    )
    assert report.first == "2024-01-02T03:45:00Z"


def test_import_bars_when_first_rows_are_hopeless_stops_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_ledger, "HOPELESS_ROWS", 2)
    monkeypatch.setattr(row_files, "BLOCK_BYTES", 60)
    with pytest.raises(BadFileError, match="every one of 2 rows"):
        bring_in(written(tmp_path, ["a", "b", *(row(n) for n in range(9))]))


def test_import_bars_when_values_change_keeps_a_revision(tmp_path: Path) -> None:
    bring_in(written(tmp_path, [row(0), row(1)]))
    bring_in(written(tmp_path, [row(0), row(1, 11)]))
    revision = DataRevision.objects.get()
    assert (revision.kind, revision.bars, revision.first_opened_at) == (
        *("corrected", 1, T0 + timedelta(minutes=1)),
    )
    assert revision.data_import_id == DataImport.objects.order_by("-id")[0].pk


@pytest.mark.parametrize(
    ("step", "rows", "timeframe", "words"),
    [
        (60, 14, "1d", "1h apart, not 1d"),
        (5, 30, "1d", "5m apart, not 1d"),
        (1440, 10, "1w", "1d apart, not 1w"),
        (5, 30, "1m", "5m apart, not 1m"),
        (30, 40, "1h", "30m apart, not 1h"),
    ],
)
def test_import_bars_when_rows_are_of_another_timeframe_stores_nothing(
    tmp_path: Path, step: int, rows: int, timeframe: str, words: str
) -> None:
    path = written(tmp_path, [row(n * step) for n in range(rows)])
    with pytest.raises(BadFileError, match=f"bars.csv: rows lie {words}: wrong --timeframe") as one:
        bring_in(path, timeframe)
    assert "\n" not in str(one.value)
    assert (Bar.objects.count(), Instrument.objects.count(), DataImport.objects.count()) == (
        *(0, 0, 0),
    )


def test_import_bars_when_shuffled_or_reversed_has_no_false_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shuffled = [row(n) for n in (7, 0, 3, 5, 1, 6, 2, 4)]
    assert bring_in(written(tmp_path, shuffled)).notes == []
    monkeypatch.setattr(row_files, "BLOCK_BYTES", 120)
    assert bring_in(written(tmp_path, shuffled)).notes == []
    apart = [row(n) for n in range(100, 0, -10)]
    notes = bring_in(written(tmp_path, apart)).notes
    assert notes == ["no two rows lie closer than 600 s: is 1m the right timeframe?"]
