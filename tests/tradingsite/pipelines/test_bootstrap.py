"""The demo desk begins with a bot that was checked like any other."""

import pytest
from django.db.models import Count

from marketdata.models import Bar
from strategies.models import Bot, BotProof
from tradingsite.models import Audit
from tradingsite.pipelines.bootstrap import bootstrap

pytestmark = pytest.mark.django_db(databases=["default", "venue"])


def test_demo_when_made_runs_a_bot_with_a_proof_and_is_left_alone_after() -> None:
    lines: list[str] = []
    assert bootstrap(lines.append)
    bot = Bot.objects.get()
    assert (bot.name, bot.stage, bot.state) == ("composite", "paper", "running")
    proof = BotProof.objects.get()
    counted = Bar.objects.values("instrument").annotate(bars=Count("opened_at")).order_by()
    bars = sum(min(250, one["bars"]) for one in counted)
    assert (proof.passed, proof.bars, proof.cuts) == (True, bars, 10)
    done = Audit.objects.filter(subject="composite").order_by("seq")
    assert list(done.values_list("action", flat=True)) == [
        "bot_created",
        "bot_checked",
        "bot_promoted",
        "bot_running",
    ]
    assert not bootstrap(lines.append)
    assert BotProof.objects.count() == 1
