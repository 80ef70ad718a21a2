"""Partitions come with the rows and go as wholes."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from domain.bars import Timeframe
from marketdata.models import Bar, Instrument, Retention
from marketdata.services.partitions import (
    PartitionError,
    drop_old_partitions,
    ensure_bar_partitions,
    ensure_partitions,
    existing_partitions,
    partitioned_tables,
)

pytestmark = pytest.mark.django_db

AUTUMN = datetime(1931, 11, 30, 23, 59, tzinfo=UTC)
NEW_YEAR = datetime(1932, 1, 1, tzinfo=UTC)


def names(table: str) -> list[str]:
    return [one.name for one in existing_partitions(table) if one.first.year < 1950]


def test_partitions_when_rows_come_exist_for_each_month_or_year(db: None) -> None:
    for _ in range(2):
        ensure_partitions(table="marketdata_tick", first=AUTUMN, last=NEW_YEAR)
        ensure_bar_partitions(timeframe=Timeframe.M5, first=AUTUMN, last=NEW_YEAR)
        ensure_bar_partitions(timeframe=Timeframe.D1, first=AUTUMN, last=NEW_YEAR)
    assert names("marketdata_tick") == [
        "marketdata_tick_1931_11",
        "marketdata_tick_1931_12",
        "marketdata_tick_1932_01",
    ]
    assert names("marketdata_bar_5m") == ["marketdata_bar_5m_1931", "marketdata_bar_5m_1932"]
    part = existing_partitions("marketdata_tick")[0]
    assert (part.first, part.before) == (
        datetime(1931, 11, 1, tzinfo=UTC),
        datetime(1931, 12, 1, tzinfo=UTC),
    )


def test_partitions_when_too_old_are_dropped_whole(db: None) -> None:
    one = Instrument.objects.create(venue="TEST", symbol="ONE", tick_size=1, lot_size=1)
    for year, month in ((1931, 11), (1932, 1)):
        opened = datetime(year, month, 3, tzinfo=UTC)
        ensure_bar_partitions(timeframe=Timeframe.M1, first=opened, last=opened)
        Bar.objects.create(
            instrument=one,
            timeframe="1m",
            opened_at=opened,
            closed_at=opened + timedelta(minutes=1),
            **dict.fromkeys(("open", "high", "low", "close"), 1.0),
        )
    Retention.objects.create(table="marketdata_bar_1m", keep_days=31)
    Retention.objects.create(table="marketdata_tick", keep_days=None)
    assert drop_old_partitions(now=NEW_YEAR + timedelta(days=31, seconds=-1)) == []
    assert drop_old_partitions(now=NEW_YEAR + timedelta(days=31)) == ["marketdata_bar_1m_1931"]
    assert [bar.opened_at.year for bar in Bar.objects.all()] == [1932]


def test_partitions_when_the_span_is_absurd_are_refused(db: None) -> None:
    with pytest.raises(PartitionError, match="no span"):
        ensure_partitions(table="marketdata_tick", first=AUTUMN.replace(year=2), last=NEW_YEAR)


def test_every_table_split_by_time_is_known(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relkind = 'p'")
        found = {name for (name,) in cursor.fetchall()}
    assert found == {"marketdata_bar", *partitioned_tables()}
