"""Every strategy, replayed through the real queue, signals as one pass over the same bars does."""

import json
from collections import Counter
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from domain.bars import BarSeries, Timeframe, from_micros
from domain.instruments import InstrumentTerms
from domain.money import from_nano
from domain.signals import DEFAULT_WEIGHTS
from execution.scored_series import Examined, scored_bars
from execution.trade_cycle import BotPlan, ScoredBar, ScoreKey
from marketdata.indicators.registry import make_indicator
from marketdata.models import Instrument
from marketdata.queries import bars_window, extras_for, instrument_terms
from mlweights.readings import layout_of
from strategies.bots.registry import load_strategies, make_strategy
from strategies.models import Bot
from tests.walk.arrays import Ledger
from tests.walk.facts import BEGIN, END, STOCKS
from tests.walk.replays import Start, finish

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "venue"])

# Small enough that all may hold one stock at once: what risk refuses is never left.
BOTH = {"direction": "both", "size_pct": 1.0}
# By the name of the bot: every strategy as it is, and some held to rules.
BOTS: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, BOTH) for name in load_strategies()},
    "careful": (
        "ensemble",
        {
            **BOTH,
            "method": "best",
            "members": ["rsi_mean_reversion", "bollinger_breakout", "momentum_rider"],
            "cooldown_bars": 5,
            "agreeing_pct": 50.0,
            "adaptive": True,
        },
    ),
}


def plans() -> tuple[BotPlan, ...]:
    """Return every bot at work on the three stocks, in the order they decide."""
    ids = tuple(
        Instrument.objects.filter(symbol__in=STOCKS)
        .order_by("venue", "symbol")
        .values_list("pk", flat=True)
    )
    return tuple(
        BotPlan(
            id=place,
            name=name,
            strategy=make_strategy(*BOTS[name]),
            timeframe=Timeframe.D1,
            instrument_ids=ids,
            weights=f"own:{name}" if make_strategy(*BOTS[name]).weight_sets() else "",
        )
        for place, name in enumerate(sorted(BOTS))
    )


def one_pass(bots: tuple[BotPlan, ...], instants: list[datetime]) -> Ledger:
    """Return what the bots do over the stored bars, in this process and without a queue."""
    terms = instrument_terms(bots[0].instrument_ids)
    series = {
        one: bars_window(instrument_id=one, timeframe=Timeframe.D1, as_of=END) for one in terms
    }
    scored: dict[datetime, dict[ScoreKey, ScoredBar]] = {at: {} for at in instants}
    for bot in bots:
        for one, bars in series.items():
            for bar in bars_seen(bot, terms[one], bars):
                if bar.closed_at in scored:
                    scored[bar.closed_at][one, "1d", bot.weights] = bar
    desk = Ledger(terms, series, scored, bots, account="replay")
    desk.run(instants, BEGIN)
    return desk


def bars_seen(bot: BotPlan, terms: InstrumentTerms, bars: BarSeries) -> list[ScoredBar]:
    """Return the bars as the bot sees them, each with its score by the bot's weights."""
    weights = bot.strategy.weight_sets() or {"": DEFAULT_WEIGHTS}
    layout = layout_of(weights[""].names, Timeframe.D1)
    detector = make_indicator("regime")
    extras = extras_for(
        terms=terms, timeframe=Timeframe.D1, indicators=layout.indicators(0, detector)
    )
    examined = Examined(terms, layout, detector, weights, bot.weights, (bars,), (extras,))
    return scored_bars(examined, 0, len(bars))


def exported(folder: Path, name: str) -> list[list[Any]]:
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]


def test_every_bot_when_replayed_through_the_queue_does_as_in_one_pass(
    sample_desk: Any, replay: Start, tmp_path: Path
) -> None:
    _, account, follow = sample_desk(BEGIN, STOCKS)
    follow.delete()
    for name, (strategy, parameters) in BOTS.items():
        Bot.objects.create(
            name=name, account=account, strategy=strategy, parameters=parameters, timeframe="1d"
        )

    bots = plans()
    closes = bars_window(
        instrument_id=bots[0].instrument_ids[0], timeframe=Timeframe.D1, as_of=END
    ).closed_at
    instants = [at for at in map(from_micros, closes.tolist()) if at > BEGIN]
    pure = one_pass(bots, instants)
    # Only now: the workers find the machine code of every indicator made.
    finish(replay("--json", "--workers", "1", "--bots", ",".join(BOTS), "--export", str(tmp_path)))

    assert sorted(
        (
            *(made.key, made.side, made.is_exit, made.reason, from_nano(made.bar.score.value)),
            *(made.verdict.approved, made.verdict.reason),
        )
        for made in pure.signals
    ) == sorted(
        (row[0], *row[8:11], Decimal(row[11]), *row[18:20]) for row in exported(tmp_path, "signals")
    )
    # Client ids bear the sandbox's name.
    assert sorted(made[1:] for made in pure.fills) == sorted(
        (*map(Decimal, row[6:9]), datetime.fromisoformat(row[9]))
        for row in exported(tmp_path, "fills")
    )
    # Each bot both entered and left; what none of them ever did proves nothing.
    entered = Counter(made.bot.name for made in pure.signals if not made.is_exit)
    left = Counter(made.bot.name for made in pure.signals if made.is_exit)
    assert set(entered) == set(left) == set(BOTS)
    assert all(made.verdict.approved for made in pure.signals)
    assert len(pure.fills) > 100
