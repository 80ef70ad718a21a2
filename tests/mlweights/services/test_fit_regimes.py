"""What is fitted knows the sealed past only, and decides what closes after it."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, transaction

from domain.bars import Timeframe
from marketdata.indicators.regime_mixture import fitted_regime
from marketdata.indicators.registry import make_indicator
from marketdata.models import Bar, DataGap, Instrument, Stream
from mlweights.models import RegimeModel
from mlweights.queries import regime_history
from mlweights.regimes import RegimesNotFittedError
from mlweights.services.fit_regimes import adjusted_bars, fit_regime_model
from mlweights.services.propose_version import NoClockError
from tradingsite.models import Audit

pytestmark = pytest.mark.django_db(databases=["default", "venue"])

NOW = datetime(2005, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def stock(symbol: str) -> Instrument:
    return Instrument.objects.get(symbol=symbol)


def fit(symbol: str) -> RegimeModel:
    return fit_regime_model(instrument=stock(symbol), timeframe=Timeframe.D1, actor="test")


def test_fit_when_the_future_changes_learns_the_same(sample_desk):
    sample_desk(NOW, ("IBM",))
    first = fit("IBM")
    later = Bar.objects.filter(instrument=stock("IBM"), closed_at__gt=NOW)
    assert later.update(open=1.0, high=9e9, low=0.5, close=9e9) > 1000

    second = fit("IBM")

    assert (second.numbers, second.measures) == (first.numbers, first.measures)
    assert second.data_hash == first.data_hash
    assert [one.label for one in (first, second)] == [
        "mixture:NYSE:IBM:1d:1",
        "mixture:NYSE:IBM:1d:2",
    ]
    assert (first.as_of, first.valid_from) == (NOW, NOW + SECOND)
    assert second.valid_from == NOW + 2 * SECOND
    newest = Bar.objects.filter(instrument=stock("IBM"), closed_at__lte=NOW).latest("closed_at")
    assert first.measures["to"] == newest.closed_at.isoformat()


def test_fit_when_the_past_changes_learns_otherwise(sample_desk):
    sample_desk(NOW, ("IBM",))
    first = fit("IBM")
    Bar.objects.filter(instrument=stock("IBM"), closed_at__lte=NOW - timedelta(days=1500)).delete()
    second = fit("IBM")
    assert second.data_hash != first.data_hash
    assert second.numbers != first.numbers


def test_bars_when_a_split_is_not_effective_yet_know_nothing_of_it(sample_desk):
    sample_desk(NOW, ("AAPL",))
    split_at = datetime(2005, 2, 28, tzinfo=UTC)
    apple = {"instrument": stock("AAPL"), "timeframe": Timeframe.D1}
    before, _ = adjusted_bars(**apple, as_of=split_at)
    after, _ = adjusted_bars(**apple, as_of=split_at + timedelta(days=5))
    assert before[3, 0] == 2.0 * after[3, 0]


def test_fit_when_instants_are_sealed_meanwhile_is_valid_after_them(sample_desk):
    stream, _, _ = sample_desk(NOW, ("IBM",))
    other = Stream.objects.create(
        name="faster", kind="replay", feed="replay", timeframes=["1d"], sealed_to=NOW + SECOND * 9
    )
    other.instruments.set(stream.instruments.all())
    model = fit("IBM")
    assert (model.as_of, model.valid_from) == (NOW + SECOND * 9, NOW + SECOND * 10)


def test_fit_when_no_stream_or_too_little_is_there_is_refused(sample_desk):
    stream, _, _ = sample_desk(NOW, ("IBM", "MSFT"))
    stream.instruments.set([stock("IBM")])
    with pytest.raises(NoClockError, match="no stream delivers"):
        fit("MSFT")
    Bar.objects.filter(instrument=stock("IBM"), closed_at__lt=NOW - timedelta(days=90)).delete()
    with pytest.raises(RegimesNotFittedError, match="too little history"):
        fit("IBM")
    assert not RegimeModel.objects.exists()


def test_fit_when_a_bar_is_missing_leaves_out_what_reaches_over_it(sample_desk):
    sample_desk(NOW, ("IBM",))
    whole = fit("IBM")
    gone = Bar.objects.filter(instrument=stock("IBM"), closed_at__lte=NOW)[500]
    DataGap.objects.create(
        instrument=stock("IBM"),
        timeframe="1d",
        first_opened_at=gone.opened_at,
        last_opened_at=gone.opened_at,
        bars=1,
        known_from=gone.closed_at,
    )
    Bar.objects.filter(instrument=stock("IBM"), opened_at=gone.opened_at).delete()
    holed = fit("IBM")
    assert holed.measures["rows"] == whole.measures["rows"] - 1 - 20


def test_model_when_stored_never_changes_and_is_told_to_the_audit(sample_desk):
    sample_desk(NOW, ("IBM",))
    model = fit("IBM")
    audited = Audit.objects.filter(action="fit_regimes").values_list("actor", "subject")
    assert list(audited) == [("test", model.label)]
    for change in (
        lambda: RegimeModel.objects.update(numbers=[]),
        lambda: RegimeModel.objects.all().delete(),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()


def test_history_when_asked_at_an_instant_names_what_was_valid_then(sample_desk):
    sample_desk(NOW, ("IBM", "MSFT"))
    first, second = fit("IBM"), fit("IBM")
    history = regime_history([stock("IBM").pk, stock("MSFT").pk])

    def at(symbol: str, closed_at: datetime, timeframe: str = "1d") -> tuple[object, str]:
        return history.at(instrument_id=stock(symbol).pk, timeframe=timeframe, closed_at=closed_at)

    rules = (make_indicator("regime"), "rules")
    assert at("IBM", NOW) == rules
    assert at("IBM", first.valid_from) == (fitted_regime(tuple(first.numbers)), first.label)
    assert at("IBM", second.valid_from - timedelta(microseconds=1))[1] == first.label
    assert at("IBM", second.valid_from + timedelta(days=99))[1] == second.label
    assert at("IBM", second.valid_from, "1h") == rules
    assert at("MSFT", second.valid_from) == rules
    assert (
        regime_history([stock("MSFT").pk]).at(
            instrument_id=stock("IBM").pk, timeframe="1d", closed_at=second.valid_from
        )
        == rules
    )
