"""A strategy whose code fails stops nobody else: not the walk, not learning, not the pages."""

from collections.abc import Iterator, Mapping

import pytest

from domain.signals import WeightSet
from strategies.bots.base import StrategyParams
from strategies.bots.registry import STRATEGIES, RegisteredStrategy, load_strategies
from strategies.models import Bot, BotProof
from strategies.queries import proof_status
from tests.walk.facts import BEGIN, STOCKS
from tradingsite.models import Alert
from tradingsite.pipelines.learning import retrain_all

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "venue"])


class Broken(RegisteredStrategy):
    """Cannot say what it looks at."""

    Params = StrategyParams

    def weight_sets(self) -> Mapping[str, WeightSet]:
        raise KeyError("weights")


@pytest.fixture
def broken() -> Iterator[None]:
    load_strategies()
    STRATEGIES.add("broken", Broken)
    yield
    del STRATEGIES._plugins["broken"]


@pytest.mark.usefixtures("broken")
def test_desk_when_a_bots_code_fails_goes_on_without_it(sample_desk, walk_to) -> None:
    stream, account, bot = sample_desk(BEGIN, STOCKS)
    bad = Bot.objects.create(
        name="bad", account=account, strategy="broken", timeframe="1d", state="running",
        stage="paper",
    )  # fmt: skip
    bad.instruments.set(bot.instruments.all())
    BotProof.objects.create(bot=bad, fingerprint="f", passed=True, bars=1, cuts=1)
    walk_to(stream, account.pk, BEGIN.replace(month=2))
    assert Alert.objects.get(kind="bot_unusable").object == "bad"
    assert proof_status(bad).word == "outdated"
    assert proof_status(bot).word == "none"
    retrain_all()  # too little history for any, but it asks every bot
