"""Folds kept in memory give what a rebuild gives, whatever they were asked before."""

import math
import random
from datetime import UTC, datetime, timedelta

import pytest

from domain.bars import Timeframe, to_micros
from domain.signals import DEFAULT_WEIGHTS
from execution.trade_cycle import ScoredBar
from marketdata.indicators.blocks import indicator_matrix
from marketdata.indicators.registry import indicator_set, make_indicator
from marketdata.models import Bar, Instrument
from marketdata.queries import bars_window, instrument_terms
from marketdata.services.load_sample import load_sample
from mlweights.queries import DatedWeights
from mlweights.scoring import weigh
from tradingsite.pipelines.scoring import Folds, Watched

pytestmark = pytest.mark.django_db

# AAPL split on 2005-02-28; the four-year periods begin on 2000-01-01, 2004-01-01, 2008-01-01.
SPANS = (("2003-12-15", "2004-01-20"), ("2005-02-15", "2005-03-15"))
NEVER = datetime(2000, 1, 1, tzinfo=UTC)


def watched(symbol: str) -> Watched:
    instrument = Instrument.objects.get(symbol=symbol)
    terms = instrument_terms([instrument.pk])[instrument.pk]
    return Watched(
        terms,
        Timeframe.D1,
        {"": DatedWeights(1, "default", NEVER, DEFAULT_WEIGHTS)},
        make_indicator("regime"),
    )


def closes(one: Watched, since: str, until: str) -> list[datetime]:
    return list(
        Bar.objects.filter(
            instrument_id=one.terms.id, closed_at__gte=f"{since}Z", closed_at__lte=f"{until}Z"
        )
        .order_by("closed_at")
        .values_list("closed_at", flat=True)
    )


def plain(values: list[float]) -> tuple[float | None, ...]:
    return tuple(None if math.isnan(value) else value for value in values)


def fresh(one: Watched, at: datetime) -> ScoredBar:
    """Return the score by a process that knows nothing and sees nothing later."""
    return Folds().score([one], closed_at=at, sealed_to=at)[one.key]


def test_folds_when_kept_over_split_and_period_equal_rebuild_and_matrix():
    load_sample()
    one = watched("AAPL")
    series = bars_window(
        instrument_id=one.terms.id, timeframe=Timeframe.D1, as_of=datetime(2005, 4, 1, tzinfo=UTC)
    )
    matrix = indicator_matrix(
        series, Timeframe.D1, indicator_set(DEFAULT_WEIGHTS.names), one.terms.splits
    )
    kept = Folds()
    for since, until in SPANS:
        instants = closes(one, f"{since}T00:00:00", f"{until}T00:00:00")
        assert len(instants) > 15
        for at in instants:
            ours = kept.score([one], closed_at=at, sealed_to=instants[-1])[one.key]
            assert ours == fresh(one, at)
            place = series.closed_at.tolist().index(to_micros(at))
            assert ours.normalised == plain(matrix.normalised[place].tolist())
            assert ours.raw == plain(matrix.raw[place].tolist())
            assert ours.score == weigh(matrix.normalised[place].tolist(), DEFAULT_WEIGHTS)


def test_folds_when_asked_in_any_order_answer_as_a_new_process():
    load_sample()
    both = [watched("AAPL"), watched("IBM")]
    instants = closes(both[0], "2005-02-10T00:00:00", "2005-03-20T00:00:00")
    kept, dice = Folds(), random.Random(5)
    for _ in range(40):
        at = dice.choice(instants)
        found = kept.score(both, closed_at=at, sealed_to=dice.choice([at, instants[-1]]))
        for one in both:
            assert found[one.key] == fresh(one, at)


def test_folds_when_one_instrument_has_a_gap_and_time_jumps_back_still_score_it():
    """Two accounts of one worker stand at different instants; one stock missed the later one."""
    load_sample()
    one = watched("IBM")
    instants = closes(one, "2005-02-10T00:00:00", "2005-03-20T00:00:00")
    gap = instants[10]
    Bar.objects.filter(instrument_id=one.terms.id, closed_at=gap).delete()
    kept = Folds()
    assert kept.score([one], closed_at=gap, sealed_to=instants[-1]) == {}
    before = instants[9]
    found = kept.score([one], closed_at=before, sealed_to=instants[-1])
    assert found == {one.key: fresh(one, before)}


def test_folds_when_no_bar_closes_at_the_instant_give_no_score():
    load_sample()
    one = watched("FB")
    at = datetime(2005, 2, 10, tzinfo=UTC)
    assert Folds().score([one], closed_at=at, sealed_to=at) == {}


def test_folds_when_later_bars_are_stored_or_changed_do_not_see_them():
    load_sample()
    one = watched("IBM")
    at = closes(one, "2005-02-10T00:00:00", "2005-03-20T00:00:00")[5]
    expected = fresh(one, at)
    later = Bar.objects.filter(instrument_id=one.terms.id, closed_at__gt=at)
    later.update(open=1.0, high=9e9, low=0.5, close=9e9)
    kept = Folds()
    far = at + timedelta(days=20)
    assert kept.score([one], closed_at=at, sealed_to=far) == {one.key: expected}
