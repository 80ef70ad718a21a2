"""Learning sees nothing after its instant, and what it learns decides only later ones."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.bars import Timeframe
from marketdata.models import Bar, Instrument, Stream
from mlweights.models import Score, TrainingRun, WeightVersion
from mlweights.queries import weight_history
from tradingsite.invariants import violations
from tradingsite.pipelines.learning import retrain_all, retrain_one, training_data

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "venue"])

NOW = datetime(2005, 1, 1, tzinfo=UTC)


def ibm() -> Instrument:
    return Instrument.objects.get(symbol="IBM")


def test_retrain_when_the_future_changes_learns_the_same(sample_desk):
    sample_desk(NOW, ("IBM",))
    first = retrain_one(instrument=ibm(), timeframe=Timeframe.D1)
    later = Bar.objects.filter(instrument=ibm(), closed_at__gt=NOW)
    assert later.update(open=1.0, high=9e9, low=0.5, close=9e9) > 1000

    second = retrain_one(instrument=ibm(), timeframe=Timeframe.D1)

    assert second.data_hash == first.data_hash
    assert (second.weights, second.measures) == (first.weights, first.measures)
    assert (first.label, second.label) == ("NYSE:IBM:1d:1", "NYSE:IBM:1d:2")
    assert second.parent_id == first.pk
    assert [run.as_of for run in TrainingRun.objects.all()] == [NOW, NOW]


def test_training_data_when_cut_holds_no_bar_after_its_instant(sample_desk):
    sample_desk(NOW, ("AAPL",))
    apple = Instrument.objects.get(symbol="AAPL")
    split_at = datetime(2005, 2, 28, tzinfo=UTC)
    for as_of in (NOW, split_at, split_at + timedelta(days=5)):
        data = training_data(apple, Timeframe.D1, as_of)
        newest = Bar.objects.filter(instrument=apple, closed_at__lte=as_of).latest("closed_at")
        known = as_of > split_at
        assert data.closed_at[-1] == newest.closed_at.timestamp() * 1_000_000
        assert data.closes[-1] == newest.close
        first = Bar.objects.filter(instrument=apple).earliest("opened_at")
        splits = [2.0] if datetime(2000, 6, 21, tzinfo=UTC) < as_of else []
        factor = 2.0 ** (len(splits) + known)
        assert data.closes[0] == first.close / factor


def test_retrain_when_refused_stores_the_run_with_its_reason(sample_desk):
    sample_desk(NOW, ("IBM",))
    Bar.objects.filter(instrument=ibm(), closed_at__lt=datetime(2004, 9, 1, tzinfo=UTC)).delete()

    assert retrain_one(instrument=ibm(), timeframe=Timeframe.D1) is None

    run = TrainingRun.objects.get()
    assert run.state == "refused"
    assert "are needed" in run.reason
    assert run.finished_at is not None
    assert not WeightVersion.objects.filter(instrument=ibm()).exists()


def test_retrain_when_little_is_new_is_not_repeated(sample_desk):
    sample_desk(NOW, ("IBM",))
    assert len(retrain_all()) == 1
    assert retrain_all() == []
    assert len(retrain_all(force=True)) == 1


def test_activation_when_instants_are_sealed_decides_only_later_ones(sample_desk, walk_sealed):
    stream, account, _ = sample_desk(NOW, ("IBM", "MSFT"))
    until = datetime(2005, 3, 1, tzinfo=UTC)
    walk_sealed(stream, account.pk, until)
    stream.refresh_from_db()
    version = retrain_one(instrument=ibm(), timeframe=Timeframe.D1)
    assert version.valid_from > stream.sealed_to

    walk_sealed(stream, account.pk, datetime(2005, 4, 1, tzinfo=UTC))

    own = Score.objects.filter(instrument=ibm())
    labels = {
        label: (own.filter(weight_version__label=label).earliest("closed_at").closed_at)
        for label in own.values_list("weight_version__label", flat=True)
    }
    assert set(labels) == {"default:1", version.label}
    assert labels[version.label] >= version.valid_from
    default = own.filter(weight_version__label="default:1").latest("closed_at")
    assert default.closed_at <= stream.sealed_to
    other = Score.objects.filter(instrument__symbol="MSFT")
    assert set(other.values_list("weight_version__label", flat=True)) == {"default:1"}
    assert violations() == []


def test_activation_when_repeated_keeps_one_active_and_rising_instants(sample_desk):
    sample_desk(NOW, ("IBM",))
    made = [retrain_one(instrument=ibm(), timeframe=Timeframe.D1) for _ in range(3)]
    starts = [version.valid_from for version in made]
    assert starts == sorted(set(starts))
    assert starts[0] > Stream.objects.get().sealed_to
    states = WeightVersion.objects.filter(instrument=ibm()).order_by("valid_from")
    assert list(states.values_list("state", flat=True)) == ["retired", "retired", "active"]

    history = weight_history([ibm().pk])

    def label(at: datetime) -> str:
        return history.at(instrument_id=ibm().pk, timeframe="1d", closed_at=at)[""].label

    tiny = timedelta(microseconds=1)
    assert label(starts[0] - tiny) == "default:1"
    assert [label(at) for at in starts] == [version.label for version in made]
    assert [label(at - tiny) for at in starts[1:]] == [version.label for version in made[:2]]
    other = history.at(instrument_id=ibm().pk, timeframe="1h", closed_at=starts[2])[""]
    assert other.label == "default:1"
