"""A round packs every series and drops what retention says."""

from datetime import UTC, datetime

import pytest

from domain.bars import Timeframe
from marketdata.models import BarChunk, Retention
from marketdata.packed_bars import BARS_PER_CHUNK
from marketdata.services.load_sample import load_sample
from marketdata.services.partitions import ensure_partitions, existing_partitions
from tradingsite.pipelines.storage import Tidied, tidy_storage

pytestmark = pytest.mark.django_db


def test_tidy_when_bars_are_loose_packs_them_once(db: None) -> None:
    load_sample()
    packed = tidy_storage()
    assert (packed.series, packed.dropped) == (5, [])
    assert packed.chunks == BarChunk.objects.count() > 150
    assert set(BarChunk.objects.values_list("bars", flat=True)) == {BARS_PER_CHUNK}
    assert set(BarChunk.objects.values_list("timeframe", flat=True)) == {Timeframe.D1.value}
    assert tidy_storage() == Tidied(5, 0, [])


def test_tidy_when_a_table_keeps_days_drops_its_old_months(db: None) -> None:
    old = datetime(1931, 5, 1, tzinfo=UTC)
    ensure_partitions(table="marketdata_quote", first=old, last=old)
    Retention.objects.create(table="marketdata_quote", keep_days=90)
    assert "marketdata_quote_1931_05" in tidy_storage().dropped
    names = [one.name for one in existing_partitions("marketdata_quote")]
    assert "marketdata_quote_1931_05" not in names
