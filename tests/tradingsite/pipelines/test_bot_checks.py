"""A bot is checked over real bars: the honest pass, the planted are named with their bar."""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import count

import pytest

from domain.orders import BUY, SELL
from domain.registry import Registry
from domain.signals import WeightSet
from marketdata.indicators.columns import CLOSE
from marketdata.indicators.registry import (
    INDICATORS,
    Indicator,
    IndicatorParams,
    load_indicators,
    make_indicator,
)
from marketdata.models import Bar
from strategies.bots.base import HOLD, BotContext, Intent, StrategyParams
from strategies.bots.registry import STRATEGIES, RegisteredStrategy, load_strategies
from strategies.models import Bot, BotProof
from tradingsite.models import Audit
from tradingsite.pipelines.bot_checks import TooFewBarsError, check_bot

pytestmark = pytest.mark.django_db(databases=["default", "venue"])

ASKED = count()


def peeking_kernel(bars, start, first, last, state, numbers, out):  # type: ignore[no-untyped-def]
    """Say tomorrow's move."""
    for i in range(first, last):
        move = bars[CLOSE, i + 1] - bars[CLOSE, i]
        out[0, i - first] = move
        out[1, i - first] = 1.0 if move > 0.0 else -1.0


def peeks() -> Indicator:
    return Indicator(
        *("peeks", "trend", ("close",), ("move",), IndicatorParams()),
        *(0, 1, peeking_kernel),
    )


def booming_kernel(bars, start, first, last, state, numbers, out):  # type: ignore[no-untyped-def]
    """Cannot bear any bar."""
    for i in range(first, last):
        if bars[CLOSE, i] > 0.0:
            raise ValueError("boom")
        out[0, i - first] = out[1, i - first] = 0.0


def booms() -> Indicator:
    return Indicator(
        *("booms", "trend", ("close",), ("boom",), IndicatorParams()),
        *(0, 1, booming_kernel),
    )


def wide_kernel(bars, start, first, last, state, numbers, out):  # type: ignore[no-untyped-def]
    """Know no bounds."""
    for i in range(first, last):
        out[0, i - first] = bars[CLOSE, i]
        out[1, i - first] = 17.0


def wide() -> Indicator:
    return Indicator(
        *("wide", "trend", ("close",), ("wide",), IndicatorParams()),
        *(0, 1, wide_kernel),
    )


class Boomer(RegisteredStrategy):
    """Looks at an indicator that raises."""

    Params = StrategyParams

    def weight_sets(self) -> Mapping[str, WeightSet]:
        return {"": WeightSet(("rsi", "booms"), (1.0, 1.0), 500_000_000, -500_000_000)}


class Wide(RegisteredStrategy):
    """Looks at an indicator that leaves its bounds."""

    Params = StrategyParams

    def weight_sets(self) -> Mapping[str, WeightSet]:
        return {"": WeightSet(("rsi", "wide"), (1.0, 1.0), 500_000_000, -500_000_000)}


class Peeker(RegisteredStrategy):
    """Looks at an indicator that looks at tomorrow."""

    Params = StrategyParams

    def weight_sets(self) -> Mapping[str, WeightSet]:
        return {"": WeightSet(("peeks",), (1.0,), 500_000_000, -500_000_000)}


class Counting(RegisteredStrategy):
    """Buys every seventh time it is asked."""

    Params = StrategyParams

    def __init__(self, params: StrategyParams) -> None:
        super().__init__(params)
        self.asked = 0

    def decide(self, context: BotContext) -> Intent:
        self.asked += 1
        if context.position:
            return Intent(SELL, "out", is_exit=True)
        return Intent(BUY if self.asked % 7 == 0 else HOLD, "seventh")


class CountingAll(RegisteredStrategy):
    """Remembers outside of itself."""

    Params = StrategyParams

    def decide(self, context: BotContext) -> Intent:
        return Intent(HOLD, f"asked {next(ASKED)} times")


class Raising(RegisteredStrategy):
    """Cannot bear one day."""

    Params = StrategyParams

    def decide(self, context: BotContext) -> Intent:
        if context.closed_at > datetime(2006, 1, 1, tzinfo=UTC):
            raise ZeroDivisionError("no such price")
        return Intent(HOLD, "fine")


class Slow(RegisteredStrategy):
    """Thinks for too long."""

    Params = StrategyParams

    def decide(self, context: BotContext) -> Intent:
        time.sleep(0.06)
        return Intent(HOLD, "at last")


class Nonsense(RegisteredStrategy):
    """Answers with no intent, once."""

    Params = StrategyParams

    def decide(self, context: BotContext) -> Intent:
        late = context.closed_at > datetime(2006, 1, 1, tzinfo=UTC)
        return Intent(HOLD, "fine") if not late else None  # type: ignore[return-value]


class Leaving(RegisteredStrategy):
    """Ends the process."""

    Params = StrategyParams

    def decide(self, context: BotContext) -> Intent:
        raise SystemExit(3)


PLANTED: tuple[tuple[Registry, str, object], ...] = (
    (INDICATORS, "peeks", peeks),
    (INDICATORS, "booms", booms),
    (INDICATORS, "wide", wide),
    *(
        (STRATEGIES, name, kind)
        for name, kind in (
            ("peeker", Peeker),
            ("boomer", Boomer),
            ("wide_one", Wide),
            ("counting", Counting),
            ("counting_all", CountingAll),
            ("raising", Raising),
            ("slow", Slow),
            ("nonsense", Nonsense),
            ("leaving", Leaving),
        )
    ),
)


@pytest.fixture
def planted() -> Iterator[None]:
    """Plant what must be caught, and take it out again."""
    load_indicators()
    load_strategies()
    for registry, name, plugin in PLANTED:
        registry.add(name, plugin)
    yield
    for registry, name, _ in PLANTED:
        del registry._plugins[name]
    make_indicator.cache_clear()


@pytest.fixture
def bot(sample_desk: Callable[..., tuple[object, object, Bot]]) -> Bot:
    """Return a bot on two stocks of the demo."""
    return sample_desk(symbols=("IBM", "AAPL"))[2]


def test_honest_bot_when_checked_passes_and_is_stored(bot: Bot) -> None:
    check = check_bot(bot_name=bot.name, actor="anna", bars=300)
    assert check.proof.passed
    assert check.proof == BotProof.objects.get()
    assert (check.proof.bars, check.proof.cuts, check.proof.first_difference) == (600, 60, "")
    assert check.verdict.scored == 600
    row = Audit.objects.get(action="bot_checked")
    assert (row.actor, row.subject) == ("anna", bot.name)


@pytest.mark.parametrize(
    ("strategy", "said"),
    [
        ("peeker", r"(IBM|AAPL) 1d bar closed \d{4}-\d\d-\d\d: with (these )?later bars \w+"),
        ("boomer", r"AAPL 1d: indicator 'booms' at [-\d]+ 00:00Z raises ValueError: boom"),
        ("wide_one", r"AAPL 1d: indicator 'wide' at [-\d]+ 00:00Z gives 17.0; allowed: -1 to \+1"),
        ("counting", r"asked again in another order \w+.*: it remembers"),
        ("counting_all", r"asked again in another order .*: it remembers"),
        ("raising", "the strategy raised ZeroDivisionError: no such price"),
        ("nonsense", r"bar closed 20\d\d-.*: the strategy failed: TypeError: no intent: None"),
        ("leaving", "the strategy raised SystemExit: 3"),
        ("slow", r"slow: \d+ ms a bar \(median of 20\), at most 50 ms"),
    ],
)
@pytest.mark.usefixtures("planted")
def test_planted_strategy_when_checked_is_named_with_its_bar(
    bot: Bot, strategy: str, said: str
) -> None:
    Bot.objects.update(strategy=strategy)
    proof = check_bot(bot_name=bot.name, actor="anna", cuts=10, bars=1000, stretch=50).proof
    assert not proof.passed
    assert re.search(said, proof.first_difference), proof.first_difference


def test_bot_when_history_is_too_short_proves_nothing(bot: Bot) -> None:
    Bar.objects.filter(opened_at__gt=datetime(2000, 1, 20, tzinfo=UTC)).delete()
    with pytest.raises(TooFewBarsError, match="import more history"):
        check_bot(bot_name=bot.name, actor="anna")
    assert not BotProof.objects.exists()
