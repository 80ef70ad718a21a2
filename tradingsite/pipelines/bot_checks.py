"""Check a bot over its stored bars, and keep the proof."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from domain.bars import Timeframe
from domain.errors import PlumblineError
from execution.look_ahead import Verdict, check_look_ahead
from execution.scored_series import Examined
from execution.trade_cycle import BotPlan
from marketdata.indicators.columns import BESIDE
from marketdata.indicators.fold import check_bars, columns_of, lead_length
from marketdata.indicators.soundness import unsoundness_of
from marketdata.queries import bars_windows, extras_for, instrument_terms
from mlweights.queries import regime_history
from mlweights.readings import layout_of
from strategies.bots.registry import RegisteredStrategy, make_strategy
from strategies.models import Bot, BotProof
from strategies.queries import find_bot, present_fingerprint, weights_read
from strategies.services.record_proof import record_proof

CUTS = 60
BARS = 500  # per instrument, the newest
# Where a person or a start waits: so many copies, so many instants decided again before each end.
QUICK = {"cuts": 20, "stretch": 50}
FEWEST_SCORED = 50
# No period of decision page 0003 holds more bars: a month of 15 minutes, all week long.
BARS_OF_A_PERIOD = 3000
SEED = 20


class TooFewBarsError(PlumblineError):
    """There is not enough history to prove anything."""

    code = "too_few_bars"


@dataclass(frozen=True, slots=True)
class Check:
    """A stored proof, and what it took."""

    proof: BotProof
    verdict: Verdict
    seconds: float


def check_bot(
    *, bot_name: str, actor: str, cuts: int = CUTS, bars: int = BARS, stretch: int | None = None
) -> Check:
    """Return the proof of the bot as it is now, passed or failed, stored.

    `stretch` limits how many instants before a copy's end are decided again; None: all of them.
    """
    begin = time.perf_counter()
    bot = find_bot(bot_name)
    fingerprint = present_fingerprint(bot)
    strategy = make_strategy(bot.strategy, bot.parameters)
    examined = examined_by(bot, strategy, bars)
    unsound = first_unsoundness(examined)
    verdict = Verdict(0, 0, 0, 0.0, unsound)
    if not unsound:
        verdict = check_look_ahead(
            plan=BotPlan(
                id=bot.pk,
                name=bot.name,
                strategy=strategy,
                timeframe=Timeframe.parse(bot.timeframe),
                instrument_ids=tuple(one.terms.id for one in examined),
                capital=bot.capital,
            ),
            make=lambda: make_strategy(bot.strategy, bot.parameters),
            examined=examined,
            bars=bars,
            cuts=cuts,
            stretch=stretch or bars,
            seed=SEED,
            timer=time.perf_counter,
        )
    if not verdict.first_difference and verdict.scored < FEWEST_SCORED:
        raise TooFewBarsError(
            f"bot '{bot.name}': {verdict.scored} of its stored bars have a score, a proof needs"
            f" {FEWEST_SCORED}; import more history"
        )
    proof = record_proof(
        bot=bot,
        fingerprint=fingerprint,
        bars=verdict.bars,
        cuts=verdict.cuts,
        first_difference=verdict.first_difference,
        actor=actor,
    )
    return Check(proof, verdict, time.perf_counter() - begin)


def first_unsoundness(examined: Sequence[Examined]) -> str:
    """Return what is wrong with the first bad indicator over these bars, '' for none."""
    for one in examined:
        for place, (series, extras) in enumerate(zip(one.series, one.extras, strict=True)):
            check_bars(series)
            columns = columns_of(series)
            if extras and len(series):
                columns[BESIDE:] = extras(series.opened_at)
            for indicator in one.layout.indicators(place, one.detector):
                what = unsoundness_of(indicator, columns)
                if what:
                    return f"{one.terms.symbol} {one.layout.timeframes[place].value}: {what}"
    return ""


def examined_by(bot: Bot, strategy: RegisteredStrategy, bars: int) -> list[Examined]:
    """Return what the bot looks at, in the order it decides: its newest stored bars."""
    timeframe = Timeframe.parse(bot.timeframe)
    terms = instrument_terms(list(bot.instruments.values_list("pk", flat=True)))
    as_of = bot.account.stream.sealed_to
    weights = weights_read(
        strategy=strategy, instrument_ids=list(terms), timeframe=timeframe.value, as_of=as_of
    )
    history = regime_history(list(terms))
    found = []
    for one in sorted(terms.values(), key=lambda each: (each.venue, each.symbol)):
        names = weights[one.id][""].names
        layout = layout_of(names, timeframe)
        detector, _ = history.at(instrument_id=one.id, timeframe=timeframe.value, closed_at=as_of)
        series, extras = [], []
        for place, frame in enumerate(layout.timeframes):
            indicators = layout.indicators(place, detector)
            extras.append(extras_for(terms=one, timeframe=frame, indicators=indicators))
            lead = lead_length(indicators)
            count = bars + BARS_OF_A_PERIOD + lead
            now = datetime.now(UTC)
            window = bars_windows(instrument_ids=[one.id], timeframe=frame, as_of=now, count=count)
            series.append(window[one.id])
        own = {regime: each for regime, each in weights[one.id].items() if each.names == names}
        found.append(Examined(one, layout, detector, own, "", tuple(series), tuple(extras)))
    return found
