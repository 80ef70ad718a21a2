"""One instant over plain values: exits first, one budget for all, nothing without a bar."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations

import pytest

from domain.bars import Timeframe
from domain.orders import BUY, SELL
from domain.portfolio import MarkedPosition
from domain.signals import DEFAULT_WEIGHTS, Score
from execution.trade_cycle import (
    BotPlan,
    InstantInput,
    ScoredBar,
    WorkingOrder,
    decide_instant,
)
from strategies.bots.base import HOLD, BotContext, Intent, StrategyParams
from strategies.bots.registry import RegisteredStrategy
from tests.risk.plain import LIMITS, TERMS, portfolio

T = datetime(2020, 1, 2, tzinfo=UTC)
IN, OUT = Intent(BUY, "in"), Intent(SELL, "out", is_exit=True)


class Told(RegisteredStrategy):
    """Does what it is told, by symbol, and remembers what it was shown."""

    def __init__(self, wishes: dict[str, Intent], size_pct: float = 10.0) -> None:
        super().__init__(StrategyParams(size_pct=size_pct))
        self.wishes = wishes
        self.seen: list[BotContext] = []

    def decide(self, context: BotContext) -> Intent:
        self.seen.append(context)
        return self.wishes.get(context.symbol, Intent(HOLD, "nothing said"))


def bar(number: int, symbol: str, timeframe: Timeframe = Timeframe.D1) -> ScoredBar:
    return ScoredBar(
        terms=replace(TERMS, id=number, symbol=symbol), timeframe=timeframe, closed_at=T,
        close=100.0, score=Score(0, (), ()), raw=(), normalised=(), weight_set=DEFAULT_WEIGHTS,
        weight_label="", weight_version_id=1, bars_from=T, bars_hash="",
    )  # fmt: skip


def bot(name: str, wishes: dict[str, Intent], *instruments: int, size_pct: float = 10.0) -> BotPlan:
    return BotPlan(1, name, Told(wishes, size_pct), Timeframe.D1, instruments or (1, 2))


SCORED = {(1, "1d", ""): bar(1, "ACME"), (2, "1d", ""): bar(2, "BOLT")}
GIVEN = InstantInput(
    env="test", account="a", closed_at=T, lag_ms=0, bots=(), scored=SCORED,
    portfolio=portfolio(), working=(), control_state="active", limits=LIMITS,
    fee_e9=500_000, slippage_e9=200_000,
)  # fmt: skip


def held(instrument: int, name: str, quantity: int) -> MarkedPosition:
    return MarkedPosition(instrument, name, Decimal(quantity), Decimal(100), Decimal(1))


def test_instant_when_bots_enter_and_leave_decides_exits_first_else_in_bot_order():
    positions = (held(2, "two", 5),)
    given = replace(
        GIVEN,
        bots=(bot("one", {"ACME": IN, "BOLT": IN}), bot("two", {"ACME": IN, "BOLT": OUT})),
        portfolio=portfolio(positions=positions),
    )
    made = [(one.bot.name, one.bar.terms.symbol) for one in decide_instant(given).decided]
    assert made == [("two", "BOLT"), ("one", "ACME"), ("one", "BOLT"), ("two", "ACME")]


def test_instant_when_two_entries_share_an_instrument_keeps_the_limit_together():
    bots = (bot("one", {"ACME": IN}, size_pct=6.0), bot("two", {"ACME": IN}, size_pct=6.0))
    first, second = decide_instant(replace(GIVEN, bots=bots)).decided
    assert first.verdict.approved
    assert second.verdict.used_before == first.verdict.requested == 6000
    assert second.verdict.reason == "the position would be too large a share of equity"


def test_instant_when_entries_share_cash_cannot_spend_it_twice():
    limits = replace(LIMITS, position_e9=10**9)
    bots = (bot("one", {"ACME": IN, "BOLT": IN}, size_pct=60.0),)
    first, second = decide_instant(replace(GIVEN, bots=bots, limits=limits)).decided
    assert first.verdict.approved
    assert second.verdict.reason == "not enough free cash"
    assert first.verdict.reserved > 60_000


def test_instant_when_an_order_works_counts_it_and_tells_its_bot_alone():
    working = (WorkingOrder(1, "one", Decimal(9_000), Decimal(9_010), is_exit=False),)
    bots = (bot("one", {}), bot("two", {"ACME": IN}, size_pct=6.0))
    result = decide_instant(replace(GIVEN, bots=bots, working=working))
    assert result.decided[0].verdict.used_before == 9_000
    assert not result.decided[0].verdict.approved
    assert [one.pending for one in bots[0].strategy.seen] == [True, False]
    assert [one.pending for one in bots[1].strategy.seen] == [False, False]


def test_instant_when_an_exit_works_uses_no_budget():
    working = (WorkingOrder(1, "one", Decimal(9_000), Decimal(0), is_exit=True),)
    bots = (bot("two", {"ACME": IN}),)
    result = decide_instant(replace(GIVEN, bots=bots, working=working))
    assert result.decided[0].verdict.used_before == 0


def test_instant_when_an_instrument_has_no_bar_decides_nothing_for_it():
    bots = (bot("one", {"ACME": IN, "BOLT": IN}),)
    result = decide_instant(replace(GIVEN, bots=bots, scored={(2, "1d", ""): SCORED[2, "1d", ""]}))
    assert [one.bar.terms.symbol for one in result.decided] == ["BOLT"]
    assert result.holds == ()
    assert decide_instant(replace(GIVEN, bots=bots, scored={})).decided == ()


def test_instant_when_the_bar_is_of_another_timeframe_decides_nothing():
    hourly = {(1, "1h", ""): bar(1, "ACME", Timeframe.H1)}
    result = decide_instant(replace(GIVEN, bots=(bot("one", {"ACME": IN}),), scored=hourly))
    assert (result.decided, result.holds) == ((), ())


def test_instant_when_inputs_come_in_another_order_decides_the_same():
    bots = (bot("one", {"ACME": IN, "BOLT": IN}, size_pct=6.0), bot("two", {"ACME": IN}))
    positions = (held(1, "one", 0), held(2, "two", 3))
    results = []
    for scored in permutations(SCORED.items()):
        for owned in permutations(positions):
            given = replace(
                GIVEN, bots=bots, scored=dict(scored), portfolio=portfolio(positions=owned)
            )
            results.append(decide_instant(given))
    assert all(one == results[0] for one in results)


def test_instant_when_nothing_is_wanted_keeps_what_each_bot_left_alone():
    result = decide_instant(replace(GIVEN, bots=(bot("one", {"ACME": IN}),)))
    (hold,) = result.holds
    assert ([one.terms.symbol for one in hold.bars], hold.reasons) == (["BOLT"], ("nothing said",))


def test_keys_when_decided_name_bot_instrument_timeframe_and_instant():
    later = replace(GIVEN, bots=(bot("one", {"ACME": IN}),), closed_at=T + timedelta(hours=3))
    (made,) = decide_instant(later).decided
    assert made.key == "bot:one:SIM:ACME:1d:2020-01-02T03:00:00Z"
    assert made.verdict.price_age_ms == 3 * 3600 * 1000


class Broken(Told):
    """Raises on one symbol."""

    def decide(self, context: BotContext) -> Intent:
        if context.symbol == "ACME":
            raise ZeroDivisionError("oops")
        return super().decide(context)


def test_instant_when_a_strategy_raises_holds_says_so_and_stops_nobody_else():
    broken = replace(bot("broken", {}), strategy=Broken({"BOLT": IN}))
    result = decide_instant(replace(GIVEN, bots=(broken, bot("two", {"ACME": IN}))))
    assert [(one.bot.name, one.bar.terms.symbol) for one in result.decided] == [
        ("broken", "BOLT"),
        ("two", "ACME"),
    ]
    said = "the strategy failed: ZeroDivisionError: oops"
    assert result.failures() == {"broken": said}
    assert result.holds[0].reasons == (said,)


def test_instant_when_a_bot_is_paused_leaves_but_does_not_enter():
    paused = replace(bot("one", {"ACME": IN, "BOLT": OUT}), is_paused=True)
    given = replace(GIVEN, bots=(paused,), portfolio=portfolio(positions=(held(2, "one", 5),)))
    result = decide_instant(given)
    assert [(one.bar.terms.symbol, one.is_exit) for one in result.decided] == [("BOLT", True)]
    assert result.holds[0].reasons == ("the bot is paused: no entries",)


def test_instant_when_a_bot_has_capital_sizes_by_it_and_keeps_the_accounts_cap():
    limits = replace(LIMITS, position_e9=10**8)
    for capital, size, expected in (
        (20_000, 10.0, 2_000),
        (20_000, 100.0, 10_000),
        (None, 5.0, 5_000),
    ):
        own = None if capital is None else Decimal(capital)
        one = replace(bot("one", {"ACME": IN}, size_pct=size), capital=own)
        (made,) = decide_instant(replace(GIVEN, bots=(one,), limits=limits)).decided
        assert made.verdict.requested == expected


def test_instant_when_two_bots_read_other_weights_gives_each_its_own_score():
    mine = replace(bar(1, "ACME"), score=Score(7, (), ()))
    one, two = bot("one", {}, 1), replace(bot("two", {}, 1), weights="sma:abc")
    scored = {**SCORED, (1, "1d", "sma:abc"): mine}
    decide_instant(replace(GIVEN, bots=(one, two), scored=scored))
    assert [context.score for context in one.strategy.seen] == [0]
    assert [context.score for context in two.strategy.seen] == [7]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "TypeError: no intent: None"),
        (7, "TypeError: no intent: 7"),
        (Intent(BUY, 5), "TypeError: the reason is no text: 5"),
        (Intent(7, "seven"), "TypeError: no intent: Intent(side=7"),
        (Intent(BUY, "more", is_exit=True), "ValueError: an exit on the position's own side"),
    ],
)
def test_instant_when_a_strategy_answers_nonsense_holds_and_says_so(answer: object, said: str):
    odd = bot("odd", {"ACME": answer}, 1)
    given = replace(GIVEN, bots=(odd,), portfolio=portfolio(positions=(held(1, "odd", 5),)))
    result = decide_instant(given)
    assert result.decided == ()
    assert said in result.holds[0].reasons[0]
    assert len(result.holds[0].reasons[0]) <= 80


def test_instant_when_a_reason_holds_what_no_table_takes_keeps_the_rest():
    bots = (bot("one", {"ACME": Intent(BUY, "a\x00b\ud800\nc")}, 1),)
    assert decide_instant(replace(GIVEN, bots=bots)).decided[0].reason == "a b  c"


def test_instant_when_reasons_are_endless_keeps_what_the_tables_take():
    bots = (bot("one", {"ACME": Intent(BUY, "x" * 999), "BOLT": Intent(HOLD, "y" * 999)}),)
    result = decide_instant(replace(GIVEN, bots=bots))
    assert (result.decided[0].reason, result.holds[0].reasons) == ("x" * 200, ("y" * 80,))
