"""The ledger learns at the seal what a stream lacks: unknown bars block, quiet ones do not."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.bars import Timeframe
from marketdata.models import DataGap, Instrument
from marketdata.queries import series_facts
from marketdata.services.note_gaps import Lack, note_gaps

pytestmark = pytest.mark.django_db

T0 = datetime(2024, 7, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
M1 = Timeframe.M1


@pytest.fixture
def instrument(db: None) -> Instrument:
    return Instrument.objects.create(
        venue="TEST", symbol="ONE", tick_size=1, lot_size=1, calendar="24/7"
    )


def lack(instrument: Instrument, minute: int, *, is_unknown: bool = False) -> Lack:
    opened_at = T0 + minute * MINUTE
    return Lack(instrument.pk, M1, opened_at, opened_at + MINUTE, is_unknown)


def ledger() -> list[tuple[int, int, str]]:
    rows = DataGap.objects.order_by("first_opened_at")
    return [((row.first_opened_at - T0) // MINUTE, row.bars, row.state) for row in rows]


def hole_at(instrument: Instrument, minute: int) -> datetime | None:
    at = T0 + minute * MINUTE
    return series_facts(instrument_ids=[instrument.pk], timeframe=M1, as_of=at)[instrument.pk].hole


def test_note_gaps_when_nobody_traded_is_one_row_that_blocks_nothing(
    instrument: Instrument,
) -> None:
    for minute in (3, 4, 5, 7):
        for _ in range(2):
            note_gaps([lack(instrument, minute)])
    assert ledger() == [(3, 3, "absent"), (7, 1, "absent")]
    assert [hole_at(instrument, minute) for minute in range(12)] == [None] * 12


def test_note_gaps_when_a_bar_is_unknown_blocks_from_its_close(instrument: Instrument) -> None:
    note_gaps([lack(instrument, 3, is_unknown=True), lack(instrument, 4)])
    note_gaps([lack(instrument, 3, is_unknown=True)])
    assert ledger() == [(3, 1, "open"), (4, 1, "absent")]
    assert hole_at(instrument, 3) is None
    assert hole_at(instrument, 4) == T0 + 3 * MINUTE


def test_note_gaps_when_nothing_lacks_writes_nothing(db: None) -> None:
    note_gaps([])
    assert ledger() == []
