"""What every strategy must keep: contexts of every kind, and the checks over them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

from hypothesis import strategies as st

from domain.bars import Timeframe
from domain.signals import DEFAULT_WEIGHTS, SCORE_UNIT, Regime, WeightSet
from marketdata.indicators.registry import make_indicator
from mlweights.scoring import weigh
from strategies.bots.base import BotContext, Intent, StrategyParams
from strategies.bots.registry import RegisteredStrategy

NOON = datetime(2024, 3, 5, 12, tzinfo=UTC)
REGIMES = ("", "trending", "ranging", "volatile")
Make = Callable[[], RegisteredStrategy]
Pair = tuple[float | None, float | None]


def weights_in(strategy: RegisteredStrategy, regime: str) -> WeightSet:
    """Return the weights the strategy's scores are made by: its own, else the usual ones."""
    sets = strategy.weight_sets() or {"": DEFAULT_WEIGHTS}
    return sets.get(regime) or sets[""]


def seen(
    strategy: RegisteredStrategy,
    now: Mapping[str, Pair],
    before: Mapping[str, Pair] | None = None,
    *,
    position: int = 0,
    regime: str = "",
    volatility: str = "",
    pending: bool = False,
) -> BotContext:
    """Return the context with these (raw, normalised) by indicator name, absent ones None."""
    weight_set = weights_in(strategy, regime)
    nothing: Pair = (None, None)
    rows = [now.get(name, nothing) for name in weight_set.names]
    rows_before = [(before or now).get(name, nothing) for name in weight_set.names]
    normalised = tuple(row[1] for row in rows)
    return BotContext(
        symbol="ACME",
        timeframe=Timeframe.D1,
        closed_at=NOON,
        close=10.0,
        score=weigh(normalised, weight_set).value,
        weight_set=weight_set,
        raw=tuple(row[0] for row in rows),
        normalised=normalised,
        raw_before=tuple(row[0] for row in rows_before),
        normalised_before=tuple(row[1] for row in rows_before),
        position=Decimal(position),
        pending=pending,
        regime=Regime(regime, volatility),
    )


@st.composite
def contexts(draw: st.DrawFn, strategy: RegisteredStrategy) -> BotContext:
    """Draw a context that the engine could hand over, and some that it never would."""
    regime = draw(st.sampled_from(REGIMES))
    weight_set = weights_in(strategy, regime)
    count = len(weight_set.names)
    raws = st.none() | st.sampled_from([0.0, -0.0, 1.0]) | st.floats(-1e300, 1e300)
    shares = st.none() | st.sampled_from([-1.0, 0.0, 1.0]) | st.floats(-1.0, 1.0)
    rows = [
        tuple(draw(st.lists(kind, min_size=count, max_size=count)))
        for kind in (raws, shares, raws, shares)
    ]
    usual = st.just(weigh(rows[1], weight_set).value)
    return BotContext(
        symbol="ACME",
        timeframe=draw(st.sampled_from(Timeframe)),
        closed_at=NOON + timedelta(minutes=draw(st.integers(0, 10_000))),
        close=draw(st.floats(1e-300, 1e300)),
        score=draw(usual | st.none() | st.integers(-SCORE_UNIT, SCORE_UNIT)),
        weight_set=weight_set,
        raw=rows[0],
        normalised=rows[1],
        raw_before=rows[2],
        normalised_before=rows[3],
        position=draw(st.sampled_from([Decimal(0), Decimal("0.5"), Decimal(-7), Decimal(10**12)])),
        pending=draw(st.booleans()),
        regime=Regime(regime, draw(st.sampled_from(("", "low", "high")))),
    )


def random_contexts(strategy: RegisteredStrategy, count: int, seed: int) -> list[BotContext]:
    """Return contexts as a market makes them: whole, in any regime and position."""
    chance = Random(seed)

    def values(names: Sequence[str]) -> dict[str, Pair]:
        spans = ((-1.0, 2.0), (0.0, 100.0))
        return {
            one: (chance.uniform(*chance.choice(spans)), chance.uniform(-1.0, 1.0)) for one in names
        }

    found = []
    for _ in range(count):
        regime = chance.choice(REGIMES)
        names = weights_in(strategy, regime).names
        position = chance.choice([0, 0, 3, -3])
        found.append(seen(strategy, values(names), values(names), position=position, regime=regime))
    return found


def check_weight_sets(strategy: RegisteredStrategy) -> None:
    """Demand weights for any regime, over the same known indicators, features not counting."""
    sets = strategy.weight_sets()
    if not sets:
        return
    assert "" in sets
    assert set(sets) <= set(REGIMES)
    for weight_set in sets.values():
        assert weight_set.names == sets[""].names
        for name, weight in zip(weight_set.names, weight_set.weights, strict=True):
            assert make_indicator(name).is_directed or not weight, f"{name} is a feature"
    assert strategy.weight_sets() == sets


def check_intent(intent: Intent, context: BotContext, params: StrategyParams) -> None:
    """Demand an intent that the context allows: enter when flat, leave what is held."""
    assert intent.side in {-1, 0, 1}
    assert 0 < len(intent.reason) <= (200 if intent.side else 80)
    if not intent.side:
        assert not intent.is_exit
        return
    assert not context.pending
    if intent.is_exit:
        assert intent.side == -context.held, "an exit reduces what is held"
    else:
        assert not context.position, "only who is out goes in"
        assert params.direction in {"both", "long" if intent.side > 0 else "short"}


def check_intents(strategy: RegisteredStrategy, asked: Sequence[BotContext]) -> None:
    """Demand an allowed intent for each context."""
    for context in asked:
        check_intent(strategy.decide(context), context, strategy.params)


def check_pure(make: Make, asked: Sequence[BotContext]) -> None:
    """Demand the same intent for the same context, whatever was asked before, by whomever."""
    alone = [make().decide(context) for context in asked]
    together = make()
    assert [together.decide(context) for context in asked] == alone
    backwards = [together.decide(context) for context in reversed(asked)]
    assert backwards[::-1] == alone
    order = list(range(len(asked)))
    Random(5).shuffle(order)
    assert [together.decide(asked[place]) for place in order] == [alone[place] for place in order]
    assert [make().decide(context) for context in reversed(asked)][::-1] == alone
