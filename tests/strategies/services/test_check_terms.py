"""A strategy whose own code fails at the door is refused by name, in one line."""

from collections.abc import Mapping

import pytest

from domain.signals import WeightSet
from strategies.bots.base import BadBotParametersError, StrategyParams
from strategies.bots.registry import RegisteredStrategy, load_strategies
from strategies.models import Bot
from strategies.services.check_terms import BotTerms
from strategies.services.create_bot import create_bot
from tests.tradingsite.desk_rows import make_desk

pytestmark = pytest.mark.django_db


class Weightless(RegisteredStrategy):
    """Fails when asked for its weights."""

    Params = StrategyParams

    def weight_sets(self) -> Mapping[str, WeightSet]:
        raise KeyError("no such\nweight")


class Nothing(RegisteredStrategy):
    """Has no answer when asked for its weights."""

    Params = StrategyParams

    def weight_sets(self) -> Mapping[str, WeightSet]:
        return None  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (Weightless, r"KeyError: 'no such\nweight'"),
        (Nothing, "AttributeError: 'NoneType' object has no attribute 'values'"),
    ],
)
def test_bot_when_its_strategy_fails_to_say_its_weights_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch,
    kind: type[RegisteredStrategy],
    what: str,
) -> None:
    desk = make_desk()
    monkeypatch.setitem(load_strategies()._plugins, "faulty", kind)
    with pytest.raises(BadBotParametersError) as refused:
        create_bot(
            name="slow",
            account=desk.account,
            strategy="faulty",
            terms=BotTerms(timeframe="1d", instruments=(desk.instrument,)),
            actor="anna",
        )
    said = f"strategy 'faulty' fails before its first bar: {what}; mend its code"
    assert str(refused.value) == said
    assert not Bot.objects.filter(name="slow").exists()


def test_ensemble_when_a_member_fails_to_say_its_weights_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = make_desk()
    monkeypatch.setitem(load_strategies()._plugins, "faulty", Weightless)
    terms = BotTerms("1d", (desk.instrument,), {"members": ["sma_crossover", "faulty"]})
    with pytest.raises(BadBotParametersError, match=r"strategy 'ensemble' fails .* KeyError: 'no"):
        create_bot(
            name="slow", account=desk.account, strategy="ensemble", terms=terms, actor="anna"
        )
