"""Bots pass a door, change only while they stand still, and leave draft on a proof alone."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain.errors import PlumblineError
from domain.signals import DEFAULT_WEIGHTS
from marketdata.indicators.regime_mixture import DEFAULT, unfitted_numbers
from marketdata.models import Account, Instrument
from mlweights.models import RegimeModel, WeightVersion
from strategies.models import Bot, BotProof
from strategies.queries import present_fingerprint, proof_status
from strategies.services.change_bot import change_bot
from strategies.services.change_bot_state import change_bot_state
from strategies.services.check_terms import BotTerms
from strategies.services.create_bot import create_bot, terms_of
from strategies.services.promote_bot import promote_bot
from strategies.services.record_proof import record_proof
from tests.tradingsite.desk_rows import DeskRows, make_desk
from tradingsite.models import Audit

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk() -> DeskRows:
    """Return a small desk."""
    return make_desk()


@pytest.fixture
def make(desk: DeskRows) -> Callable[..., Bot]:
    """Return a maker of bots, every term good unless said otherwise."""

    def made(**changes: Any) -> Bot:
        wish: dict[str, Any] = {
            "name": "slow",
            "account": desk.account,
            "strategy": "sma_crossover",
            "actor": "anna",
            "terms": BotTerms(timeframe="1d", instruments=(desk.instrument,)),
        }
        terms = {name: changes.pop(name) for name in tuple(changes) if name not in wish}
        wish["terms"] = replace(wish["terms"], **terms)
        return create_bot(**{**wish, **changes})

    return made


def prove(bot: Bot, *, difference: str = "") -> BotProof:
    """Store a proof of the bot as it is now."""
    return record_proof(
        bot=bot,
        fingerprint=present_fingerprint(bot),
        bars=9,
        cuts=3,
        first_difference=difference,
        actor="anna",
    )


def actions(subject: str) -> list[str]:
    """Return what the audit chain says of a bot."""
    found = Audit.objects.filter(subject=subject).order_by("seq")
    return list(found.values_list("action", flat=True))


def test_bot_when_created_is_a_draft_that_stands_still_once(make: Callable[..., Bot]) -> None:
    bot = make(parameters={"size_pct": 5}, capital=Decimal(1000))
    assert (bot.stage, bot.state, bot.parameters) == ("draft", "stopped", {"size_pct": 5})
    assert [str(one) for one in bot.instruments.all()] == ["SIM:ACME"]
    assert make(parameters={"size_pct": 5}, capital=Decimal(1000)) == bot
    assert actions("slow") == ["bot_created"]
    with pytest.raises(PlumblineError, match="a bot 'slow' exists already"):
        make(parameters={"size_pct": 6})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "no spaces"}, "is no name"),
        ({"name": ""}, "is no name"),
        ({"strategy": "nonsense"}, "unknown strategy 'nonsense'"),
        ({"parameters": {"sizes": 1}}, "unknown parameter 'sizes'"),
        ({"parameters": {"size_pct": 0}}, "size_pct is 0"),
        ({"parameters": {"size_pct": "NaN"}}, "size_pct is 'NaN', wanted: float"),
        ({"parameters": {"fast": "١٤"}}, "fast is '١٤', wanted: int"),
        ({"parameters": {"fast": " 1_4 "}}, "fast is ' 1_4 ', wanted: int"),
        ({"parameters": {"size_pct": "1e1"}}, "size_pct is '1e1', wanted: float"),
        ({"parameters": [1]}, "parameters are names and values"),
        ({"timeframe": "1m"}, "delivers 1d, not 1m"),
        ({"timeframe": "7x"}, "7x"),
        ({"instruments": ()}, "a bot needs an instrument"),
        ({"capital": Decimal(0)}, "capital is 0"),
        ({"capital": Decimal(-5)}, "capital is -5"),
        ({"capital": Decimal("NaN")}, "capital is NaN"),
        ({"capital": Decimal("Infinity")}, "capital is Infinity"),
        ({"capital": Decimal("1e15")}, "capital is 1E"),
        ({"capital": Decimal("1.123456789")}, "at most 8 digits"),
    ],
)
def test_bot_when_its_terms_are_bad_is_refused_in_one_line(
    make: Callable[..., Bot], changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(PlumblineError, match=said) as refused:
        make(**changes)
    assert "\n" not in str(refused.value)
    assert not Bot.objects.filter(name="slow").exists()


def test_parameters_when_given_as_text_are_kept_as_numbers(make: Callable[..., Bot]) -> None:
    bot = make(
        parameters={"fast": "14", "size_pct": "2.5", "adaptive": "true", "direction": "both"}
    )
    read = {"fast": 14, "size_pct": 2.5, "adaptive": True, "direction": "both"}
    assert (Bot.objects.get(name="slow").parameters, terms_of(bot).parameters) == (read, read)
    assert make(parameters=read) == bot
    wish = replace(terms_of(bot), parameters={"fast": "15"})
    changed = change_bot(bot_name="slow", terms=wish, held=frozenset(), actor="anna")
    assert repr(changed.parameters) == "{'fast': 15}"
    same = replace(terms_of(bot), parameters={"fast": 15.0})
    change_bot(bot_name="slow", terms=same, held=frozenset(), actor="anna")
    assert actions("slow") == ["bot_created", "bot_changed"]


def test_bot_when_an_instrument_is_not_delivered_or_named_twice_is_refused(
    make: Callable[..., Bot], desk: DeskRows
) -> None:
    other = Instrument.objects.create(
        venue="SIM", symbol="ELSE", tick_size=Decimal("0.01"), lot_size=Decimal(1)
    )
    with pytest.raises(PlumblineError, match="does not deliver SIM:ELSE"):
        make(instruments=(desk.instrument, other))
    with pytest.raises(PlumblineError, match="named twice"):
        make(instruments=(desk.instrument, desk.instrument))


def test_bot_when_its_indicators_need_another_timeframe_is_refused(
    make: Callable[..., Bot], desk: DeskRows
) -> None:
    WeightVersion.objects.create(
        label="weekly",
        instrument=desk.instrument,
        timeframe="1d",
        weights=[["rsi@1w", 1.0]],
        buy_threshold=1,
        sell_threshold=-1,
        optimizer="fixed",
        state="retired",
        valid_from=desk.account.stream.sealed_to,
    )
    with pytest.raises(PlumblineError, match="delivers 1d, not 1w: 'rsi@1w' needs it"):
        make(strategy="weighted_composite")


def test_draft_when_started_paused_or_sent_on_is_refused(make: Callable[..., Bot]) -> None:
    make()
    for state in ("running", "paused"):
        with pytest.raises(PlumblineError, match="is a draft: check it"):
            change_bot_state(bot_name="slow", state=state, actor="anna")
    with pytest.raises(PlumblineError, match="was never checked"):
        promote_bot(bot_name="slow", actor="anna")
    with pytest.raises(PlumblineError, match="arming comes with the order engine"):
        promote_bot(bot_name="slow", stage="live", actor="anna")
    with pytest.raises(PlumblineError, match="'backtested' is not offered yet"):
        promote_bot(bot_name="slow", stage="backtested", actor="anna")
    with pytest.raises(PlumblineError, match="unknown stage 'moon'"):
        promote_bot(bot_name="slow", stage="moon", actor="anna")
    assert Bot.objects.get(name="slow").stage == "draft"


def test_bot_when_proven_goes_to_paper_and_works(make: Callable[..., Bot]) -> None:
    bot = make()
    prove(bot, difference="SIM bar closed then: with later bars buy, without hold")
    with pytest.raises(PlumblineError, match="failed its check: SIM bar closed then"):
        promote_bot(bot_name="slow", actor="anna")
    prove(bot)
    assert proof_status(bot).word == "passed"
    assert promote_bot(bot_name="slow", actor="anna").stage == "paper"
    with pytest.raises(PlumblineError, match="is on paper already; no bot trades live yet: arming"):
        promote_bot(bot_name="slow", actor="anna")
    for state in ("running", "running", "paused", "stopped"):
        assert change_bot_state(bot_name="slow", state=state, actor="anna").state == state
    assert actions("slow") == [
        *("bot_created", "bot_checked", "bot_checked", "bot_promoted"),
        *("bot_running", "bot_paused", "bot_stopped"),
    ]


def test_bot_when_changed_after_its_proof_is_a_draft_again(make: Callable[..., Bot]) -> None:
    bot = make()
    prove(bot)
    promote_bot(bot_name="slow", actor="anna")

    def changed(**terms: Any) -> str:
        bot.refresh_from_db()
        wish = replace(terms_of(bot), **terms)
        return change_bot(bot_name="slow", terms=wish, held=frozenset(), actor="anna").stage

    assert changed() == "paper"
    assert changed(capital=Decimal(500)) == "paper"
    assert changed(parameters={"size_pct": 10.0}) == "paper"  # the default, spelled out
    assert changed(parameters={"size_pct": 4}) == "draft"
    bot.refresh_from_db()
    assert proof_status(bot).word == "outdated"
    with pytest.raises(PlumblineError, match="changed since it was checked"):
        promote_bot(bot_name="slow", actor="anna")
    assert actions("slow").count("bot_changed") == 3


def test_bot_when_at_work_or_holding_keeps_its_terms(
    make: Callable[..., Bot], desk: DeskRows
) -> None:
    other = Instrument.objects.create(
        venue="SIM", symbol="ELSE", tick_size=Decimal("0.01"), lot_size=Decimal(1)
    )
    Account.objects.get().stream.instruments.add(other)
    bot = make()
    terms = replace(terms_of(bot), instruments=(other,))
    held = frozenset({desk.instrument.pk})
    with pytest.raises(PlumblineError, match="still holds SIM:ACME; close that position first"):
        change_bot(bot_name="slow", terms=terms, held=held, actor="anna")
    Bot.objects.update(stage="paper", state="running")
    with pytest.raises(PlumblineError, match="is running; stop it first"):
        change_bot(bot_name="slow", terms=terms, held=frozenset(), actor="anna")
    with pytest.raises(PlumblineError, match="unknown bot 'nobody'"):
        change_bot(bot_name="nobody", terms=terms, held=frozenset(), actor="anna")


def test_fingerprint_when_anything_that_decides_changes_is_another(
    make: Callable[..., Bot], desk: DeskRows
) -> None:
    first = present_fingerprint(make())
    assert present_fingerprint(Bot.objects.get(name="slow")) == first
    others = [
        present_fingerprint(make(name="b", parameters={"fast": 10})),
        present_fingerprint(make(name="c", strategy="rsi_mean_reversion")),
        present_fingerprint(make(name="d", strategy="weighted_composite")),
    ]
    assert len({first, *others}) == 4


def test_proof_when_a_detector_is_fitted_or_weights_are_learned_still_fits(
    make: Callable[..., Bot], desk: DeskRows
) -> None:
    other = Instrument.objects.create(
        venue="SIM", symbol="ELSE", tick_size=Decimal("0.01"), lot_size=Decimal(1)
    )
    desk.account.stream.instruments.add(other)
    bot = make(strategy="weighted_composite", instruments=(other,))
    prove(bot)
    since = desk.account.stream.sealed_to
    series = {"instrument": other, "timeframe": "1d"}
    RegimeModel.objects.create(
        **series,
        label="mixture:SIM:ELSE:1d:1",
        method="mixture",
        numbers=list(unfitted_numbers(DEFAULT)),
        as_of=since,
        valid_from=since,
    )

    def learn(label: str, weights: list[tuple[str, float]], valid_from: datetime) -> None:
        state = {"optimizer": "ridge", "state": "retired", "valid_from": valid_from}
        limits = {"buy_threshold": 1, "sell_threshold": -1}
        WeightVersion.objects.create(label=label, weights=weights, **series, **state, **limits)

    learn("alike", [(name, 0.25) for name in DEFAULT_WEIGHTS.names], since - timedelta(days=1))
    assert proof_status(bot).word == "passed"
    learn("other indicators", [("rsi", 1.0)], since)
    assert proof_status(bot).word == "outdated"
