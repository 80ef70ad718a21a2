"""A year walked through the database equals the same year computed over arrays alone."""

from datetime import datetime

import pytest

from domain.bars import BarSeries, Timeframe, from_micros
from domain.instruments import InstrumentTerms
from domain.signals import DEFAULT_WEIGHTS
from execution.models import EquityPoint, Fill, Order
from execution.trade_cycle import BotPlan, ScoredBar
from marketdata.indicators.blocks import indicator_matrix
from marketdata.indicators.registry import indicator_set
from marketdata.queries import bars_window, instrument_terms
from mlweights.scoring import weigh
from risk.models import Decision
from strategies.bots.registry import make_strategy
from strategies.models import Signal
from tests.walk.arrays import Ledger
from tests.walk.facts import BEGIN, END, STOCKS

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "venue"])


def over_arrays(bot: object, instants: list[datetime]) -> Ledger:
    """Return the year as computed without a table."""
    terms = instrument_terms([one.pk for one in bot.instruments.all()])
    series = {
        one: bars_window(instrument_id=one, timeframe=Timeframe.D1, as_of=END) for one in terms
    }
    scored = {at: {} for at in instants}
    for one, bars in series.items():
        for bar in scored_bars(terms[one], bars):
            if bar.closed_at in scored:
                scored[bar.closed_at][one, "1d", ""] = bar
    plan = BotPlan(
        id=bot.pk,
        name=bot.name,
        strategy=make_strategy(bot.strategy, {}),
        timeframe=Timeframe.D1,
        instrument_ids=tuple(sorted(terms, key=lambda one: terms[one].key)),
    )
    desk = Ledger(terms, series, scored, (plan,))
    desk.run(instants, BEGIN)
    return desk


def scored_bars(terms: InstrumentTerms, bars: BarSeries) -> list[ScoredBar]:
    """Return every bar with its score under the default weights."""
    chosen = indicator_set(DEFAULT_WEIGHTS.names)
    matrix = indicator_matrix(bars, Timeframe.D1, chosen, terms.splits)
    return [
        ScoredBar(
            terms=terms, timeframe=Timeframe.D1, closed_at=from_micros(int(bars.closed_at[place])),
            close=float(bars.close[place]), score=weigh(row, DEFAULT_WEIGHTS), raw=(),
            normalised=(), weight_set=DEFAULT_WEIGHTS, weight_label="", weight_version_id=0,
            bars_from=from_micros(int(bars.closed_at[place])), bars_hash="",
        )
        for place, row in enumerate(matrix.normalised.tolist())
    ]  # fmt: skip


def test_walk_when_compared_with_arrays_has_equal_signals_orders_fills_and_equity(
    sample_desk, walk_to
):
    stream, account, bot = sample_desk(BEGIN, STOCKS)
    walk_to(stream, account.pk, END)
    points = list(EquityPoint.objects.order_by("closed_at").values_list("closed_at", "equity"))

    pure = over_arrays(bot, [at for at, _ in points])

    decisions = Decision.objects.order_by("signal_id")
    signals = decisions.values_list("signal__key", "signal__side", "approved", "reason")
    assert list(signals) == [
        (made.key, made.side, made.verdict.approved, made.verdict.reason) for made in pure.signals
    ]
    orders = Order.objects.order_by("id")
    assert pure.orders == list(
        orders.values_list("client_order_id", "side", "quantity", "decided_at")
    )
    fills = Fill.objects.values_list(
        "order__client_order_id", "quantity", "price", "fee", "executed_at"
    )
    assert sorted(fills) == sorted(pure.fills)
    assert points == pure.equity
    assert Signal.objects.count() > 15
    assert len(pure.fills) > 15
