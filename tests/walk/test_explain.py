"""Every stored score comes out of the stored bars again; one that does not names the bar."""

import json
from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F
from django.urls import reverse

from domain.bars import Bar as BarValue
from domain.bars import Timeframe, series_of
from execution.models import Fill, Order
from marketdata.models import Bar, BarRevision
from marketdata.services.ingest_bars import StoredBars, store_bars
from mlweights.models import Score
from strategies.models import Hold, Signal
from tests.walk.facts import BEGIN, forget
from tradingsite.explain import explain_order, explain_score, explain_signal
from tradingsite.recomputing import recomputed

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "venue"])

UNTIL = datetime(2005, 5, 1, tzinfo=UTC)  # AAPL splits 2 for 1 in February


@pytest.fixture
def walked(sample_desk, walk_to):
    forget()
    stream, account, _ = sample_desk(BEGIN, ("AAPL", "IBM"))
    walk_to(stream, account.pk, UNTIL)
    yield stream
    forget()


def told(*arguments: str) -> tuple[int, str, str]:
    out, err = StringIO(), StringIO()
    code = 0
    try:
        call_command("explain", *arguments, stdout=out, stderr=err)
    except SystemExit as left:
        code = int(left.code)
    return code, out.getvalue(), err.getvalue()


def test_scores_when_made_again_are_the_same_bits(walked):
    scores = Score.objects.select_related("weight_version")
    assert scores.count() > 150
    assert {row.regime for row in scores} - {""}
    again = {score.pk: recomputed(score) for score in scores}
    assert {one.verdict for one in again.values()} == {"recomputed from stored data: the same bits"}
    assert all(one.value == score.value for score in scores if (one := again[score.pk]))


def test_explain_when_a_signal_led_to_fills_tells_everything(walked):
    fill = Fill.objects.select_related("order__decision__signal__score").earliest("id")
    signal = fill.order.decision.signal
    code, out, err = told(signal.key)
    assert (code, err) == (0, "")
    score = signal.score
    for part in (
        signal.reason,
        f"({signal.strength})",
        f"score {score.pk}: {score.value:+.9f}",
        f"regime: {score.regime}, volatility: {score.volatility}",
        *(repr(value) for value in (*score.raw, *score.normalised, *score.contributions)),
        "thresholds then: buy from +0.400000000, sell to -0.400000000",
        score.bars_hash,
        score.weight_version.label,
        "recomputed from stored data: the same bits",
        "risk approved",
        "max_position",
        fill.order.client_order_id,
        f"at {fill.price:f}",
    ):
        assert part in out
    assert told(str(signal.pk)) == (code, out, err)
    plain = json.loads(told(signal.key, "--json")[1])
    assert plain["recomputed"]["is_same"] is True
    assert plain["score"]["bars_hash"] == score.bars_hash
    assert [one["order"]["id"] for one in plain["orders"]] == [fill.order_id]
    assert explain_order(fill.order_id) == explain_signal(signal.key)


def test_explain_when_a_bot_held_takes_the_score(walked, admin_client):
    held = Hold.objects.latest("id")
    score_id = next(one for one in held.scores if one is not None)
    code, out, _ = told("--score", str(score_id))
    assert code == 0
    assert out.startswith(f"score {score_id}: ")
    assert "signal" not in out.splitlines()[0]
    page = admin_client.get(reverse("score-why", args=[score_id])).content.decode()
    assert "yes, the same bits" in page
    assert explain_score(score_id).orders == ()


def test_explain_when_a_bar_was_corrected_afterwards_takes_it_back(walked):
    score = last_score()
    row = Bar.objects.get(instrument=score.instrument, closed_at=score.closed_at)
    names = ("opened_at", "closed_at", "open", "high", "low", "low", "volume")
    bar = BarValue(*(getattr(row, name) for name in names))
    stored = store_bars(
        instrument_id=score.instrument_id, timeframe=Timeframe.D1, bars=series_of([bar])
    )
    assert stored == StoredBars(corrected=1)
    again = recomputed(score)
    assert again.is_same
    [changed] = again.changed_bars
    assert (changed.kind, changed.opened_at) == ("corrected", row.opened_at)
    assert (changed.detail, changed.counts) == (f"close {row.close} → {row.low}", False)
    assert "known only after the score, not counted" in told("--score", str(score.pk))[1]


def test_explain_when_a_corrected_bar_changes_the_score_names_it(walked, admin_client):
    score = last_score()
    bar = Bar.objects.filter(instrument=score.instrument, closed_at__lt=score.closed_at)
    bar = Bar.objects.filter(pk=bar.latest("opened_at").pk)
    was = bar.get()
    bar.update(close=F("low"))  # past every service: no revision says since when it is known
    signal = Signal.objects.filter(score=score).first()
    asked = (signal.key,) if signal else ("--score", str(score.pk))
    code, out, err = told(*asked)
    named = f"the 1d bar opened {was.opened_at:%Y-%m-%d %H:%M}Z was corrected afterwards: close"
    assert code == 1
    assert named in out
    assert named in err
    assert f"hash of the bars: stored {score.bars_hash}" in out
    found = explain_score(score.pk).recomputed
    assert not found.is_same
    assert {one.part for one in found.differences} >= {"score", "raw of rsi", "hash of the bars"}
    assert found.changed_bars[0].detail == f"close {was.close} → {was.low}"
    page = admin_client.get(reverse("score-why", args=[score.pk])).content.decode()
    assert "Made again, this score differs." in page
    assert named in page
    other = Score.objects.exclude(instrument=score.instrument).latest("closed_at")
    assert recomputed(other).is_same


def test_explain_when_no_stored_change_explains_it_says_so(walked):
    score = last_score()
    Bar.objects.filter(instrument=score.instrument, closed_at=score.closed_at).update(volume=1.0)
    BarRevision.objects.all().delete()
    code, _, err = told("--score", str(score.pk))
    assert code == 1
    assert err.strip().endswith("no stored change of its bars explains it")
    Bar.objects.filter(instrument=score.instrument, closed_at=score.closed_at).delete()
    assert recomputed(score).verdict == "cannot be recomputed: its bar is gone"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nothing",), "unknown signal 'nothing'; give its id or its key"),
        (("9" * 30,), f"unknown signal '{'9' * 30}'; give its id or its key"),
        (("--score", "0"), "unknown score 0"),
        (("--score", "9" * 30), f"unknown score {'9' * 30}"),
        ((), "one of the arguments signal --score is required"),
    ],
)
def test_explain_when_nothing_is_known_refuses_in_a_line(arguments, said, db):
    with pytest.raises(CommandError, match=f"{said}$"):
        call_command("explain", *arguments)


@pytest.mark.parametrize("name", ["signal", "score", "order"])
def test_why_when_asked_by_page_and_api_is_the_same(name, walked, admin_client):
    order = Order.objects.select_related("decision__signal").earliest("id")
    signal = order.decision.signal
    pk = {"signal": signal.pk, "score": signal.score_id, "order": order.pk}[name]
    chain = admin_client.get(f"/api/v1/{name}s/{pk}/why/").json()
    assert chain["recomputed"]["is_same"] is True
    assert chain["score"]["regime"] == signal.score.regime
    html = admin_client.get(reverse(f"{name}-why", args=[pk])).content.decode()
    for part in ("yes, the same bits", signal.score.bars_hash, signal.score.regime):
        assert part in html
    assert admin_client.get(reverse(f"{name}-why", args=[10**9])).status_code == 404


def last_score() -> Score:
    return Score.objects.select_related("weight_version").latest("closed_at", "id")
