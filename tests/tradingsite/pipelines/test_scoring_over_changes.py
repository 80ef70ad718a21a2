"""A hole blocks scores until it is settled; a changed past counts only for instants to come."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.bars import Bar as BarValue
from domain.bars import Timeframe, series_of
from domain.signals import DEFAULT_WEIGHTS
from execution.trade_cycle import ScoredBar
from marketdata.indicators.blocks import indicator_matrix
from marketdata.indicators.registry import indicator_set, make_indicator
from marketdata.models import Bar, DataGap, DataRevision, Instrument, Stream
from marketdata.queries import bars_window, holes_at, instrument_terms
from marketdata.services.ingest_bars import StoredBars, seal_instants, store_bars
from marketdata.services.load_sample import create_demo_stream, load_sample
from mlweights.queries import DatedWeights
from tradingsite.pipelines.scoring import Folds, Watched

pytestmark = pytest.mark.django_db

NEVER = datetime(2000, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
SEALED_TO = datetime(2005, 3, 1, tzinfo=UTC)
UNTIL = datetime(2005, 4, 1, tzinfo=UTC)


@pytest.fixture
def ibm(db: None) -> Watched:
    load_sample()
    stream = create_demo_stream()
    seal_instants(stream_id=stream.pk, instants=[(SEALED_TO, 5)])
    assert Stream.objects.get().sealed_to == SEALED_TO
    instrument = Instrument.objects.get(symbol="IBM")
    terms = instrument_terms([instrument.pk])[instrument.pk]
    return Watched(
        terms,
        Timeframe.D1,
        {"": DatedWeights(1, "default", NEVER, DEFAULT_WEIGHTS)},
        make_indicator("regime"),
    )


def instants(one: Watched, since: datetime, until: datetime) -> list[datetime]:
    bars = Bar.objects.filter(instrument_id=one.terms.id, closed_at__gt=since, closed_at__lte=until)
    return list(bars.order_by("closed_at").values_list("closed_at", flat=True))


def score(folds: Folds, one: Watched, at: datetime) -> ScoredBar:
    return folds.score([one], closed_at=at, sealed_to=max(at, UNTIL))[one.key]


def value_of(row: Bar) -> BarValue:
    names = ("opened_at", "closed_at", "open", "high", "low", "close", "volume")
    return BarValue(*(getattr(row, name) for name in names))


def store(one: Watched, bar: BarValue) -> StoredBars:
    return store_bars(instrument_id=one.terms.id, timeframe=Timeframe.D1, bars=series_of([bar]))


def gap_of(one: Watched, row: Bar, settled_to: datetime | None = None) -> DataGap:
    return DataGap.objects.create(
        instrument_id=one.terms.id,
        timeframe="1d",
        first_opened_at=row.opened_at,
        last_opened_at=row.opened_at,
        bars=1,
        known_from=row.closed_at,
        state="filled" if settled_to else "open",
        settled_to=settled_to,
    )


def a_bar(one: Watched, days_before_the_seal: int) -> Bar:
    rows = Bar.objects.filter(instrument_id=one.terms.id, closed_at__lte=SEALED_TO)
    return rows.order_by("-closed_at")[days_before_the_seal]


def test_score_when_a_hole_lies_in_its_inputs_is_withheld_with_the_reason(ibm: Watched) -> None:
    row = a_bar(ibm, 5)
    missing = value_of(row)
    gap_of(ibm, row)
    row.delete()
    kept = Folds()
    before, *after = instants(ibm, missing.opened_at - 4 * DAY, UNTIL)
    assert score(kept, ibm, before).score.value is not None
    later = [at for at in after if at > missing.closed_at]
    assert len(later) > 20
    for at in later:
        found = score(kept, ibm, at)
        assert (found.score.value, set(found.normalised)) == (None, {None})
        assert found.blocked == f"bars are missing up to {missing.opened_at:%Y-%m-%d %H:%M}Z"
        assert found == score(Folds(), ibm, at)


def test_score_when_the_hole_lies_before_every_input_is_given(ibm: Watched) -> None:
    at = datetime(2012, 6, 1, tzinfo=UTC)
    first = score(Folds(), ibm, at).bars_from
    row = Bar.objects.filter(instrument_id=ibm.terms.id, opened_at__lt=first).latest("opened_at")
    gap_of(ibm, row)
    assert not score(Folds(), ibm, at).blocked
    gap_of(ibm, Bar.objects.get(instrument_id=ibm.terms.id, opened_at=first))
    assert score(Folds(), ibm, at).blocked


def test_score_when_a_hole_was_filled_behind_the_seal_counts_it_only_afterwards(
    ibm: Watched,
) -> None:
    missing = a_bar(ibm, 5)
    bar = value_of(missing)
    complete = {at: score(Folds(), ibm, at) for at in instants(ibm, SEALED_TO - 20 * DAY, UNTIL)}
    gap = gap_of(ibm, missing)
    missing.delete()
    kept = Folds()
    blocked = {at: score(kept, ibm, at) for at in complete if at > bar.closed_at}
    assert store(ibm, bar) == StoredBars(inserted=1)
    row = Bar.objects.get(instrument_id=ibm.terms.id, opened_at=bar.opened_at)
    assert (row.known_at, row.version) == (SEALED_TO, 1)
    revision = DataRevision.objects.get()
    assert (revision.kind, revision.known_from) == ("backfilled", SEALED_TO)
    DataGap.objects.filter(pk=gap.pk).update(state="filled", settled_to=SEALED_TO)
    order = list(blocked)
    random.Random(3).shuffle(order)
    for at in order:
        expected = blocked[at] if at <= SEALED_TO else complete[at]
        assert score(kept, ibm, at) == score(Folds(), ibm, at) == expected


def test_score_when_a_bar_was_corrected_uses_the_value_known_then(ibm: Watched) -> None:
    row = a_bar(ibm, 5)
    times = [at for at in instants(ibm, SEALED_TO - 20 * DAY, UNTIL) if at > row.closed_at]
    kept = Folds()
    old = {at: score(kept, ibm, at) for at in times}
    wrong = value_of(row)
    assert store(ibm, replace(wrong, close=wrong.low)) == StoredBars(corrected=1)
    for at in reversed(times):
        ours = score(kept, ibm, at)
        assert ours == score(Folds(), ibm, at)
        assert (ours == old[at]) == (at <= SEALED_TO)


def test_matrix_when_holes_are_open_withholds_the_same_rows_as_live(ibm: Watched) -> None:
    missing = a_bar(ibm, 5)
    gap_of(ibm, missing)
    missing.delete()
    series = bars_window(instrument_id=ibm.terms.id, timeframe=Timeframe.D1, as_of=UNTIL)
    holes = holes_at(instrument_id=ibm.terms.id, timeframe=Timeframe.D1, as_of=UNTIL)
    indicators = (*indicator_set(DEFAULT_WEIGHTS.names), make_indicator("regime"))
    matrix = indicator_matrix(series, Timeframe.D1, indicators, ibm.terms.splits, holes)
    kept = Folds()
    times = instants(ibm, SEALED_TO - 20 * DAY, UNTIL)
    rows = matrix.normalised[-len(times) :]
    for at, row in zip(times, rows, strict=True):
        found = tuple(None if value != value else value for value in row.tolist()[:-1])  # noqa: PLR0124
        assert found == score(kept, ibm, at).normalised
