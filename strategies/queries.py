"""What the upper floors ask about bots and their signals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.errors import PLUGIN_FAULTS, PlumblineError
from domain.signals import WeightSet
from mlweights.queries import WeightHistory, weight_history
from strategies.bots.registry import RegisteredStrategy, make_strategy
from strategies.confirmation import Recent
from strategies.fingerprint import fingerprint_of
from strategies.models import Bot, BotProof, Signal


def recent_entries(
    *, since: Mapping[int, datetime], before: datetime
) -> dict[tuple[int, int], Recent]:
    """Return the entries of each bot since its own instant, by (bot, instrument)."""
    rows = Signal.objects.filter(
        bot__in=list(since),
        source="bot",
        reduce_only=False,
        closed_at__gte=min(since.values()),
        closed_at__lt=before,
    )
    found: dict[tuple[int, int], list[datetime]] = {}
    for bot, instrument, closed_at in rows.order_by("closed_at").values_list(
        "bot_id", "instrument_id", "closed_at"
    ):
        if closed_at >= since[bot]:
            found.setdefault((bot, instrument), []).append(closed_at)
    return {key: Recent(tuple(entries)) for key, entries in found.items()}


class UnknownBotError(PlumblineError):
    """No bot of that name exists."""

    code = "unknown_bot"


def find_bot(name: str) -> Bot:
    """Return the bot of that name."""
    bot = Bot.objects.select_related("account__stream").filter(name=name).first()
    if bot is None:
        raise UnknownBotError(f"unknown bot '{name}'")
    return bot


def weights_read(
    *,
    strategy: RegisteredStrategy,
    instrument_ids: Sequence[int],
    timeframe: str,
    as_of: datetime,
    history: WeightHistory | None = None,
) -> dict[int, Mapping[str, WeightSet]]:
    """Return the weights a strategy reads at the instant, per instrument and regime."""
    own = strategy.weight_sets()
    if own:
        return dict.fromkeys(instrument_ids, own)
    known = history or weight_history(instrument_ids)
    found: dict[int, Mapping[str, WeightSet]] = {}
    for one in instrument_ids:
        dated = known.at(instrument_id=one, timeframe=timeframe, closed_at=as_of)
        found[one] = {regime: weights.weight_set for regime, weights in dated.items()}
    return found


def present_fingerprint(bot: Bot) -> str:
    """Return the fingerprint of the bot as it is configured and programmed now."""
    watched = [one.pk for one in bot.instruments.all()]
    return _fingerprint(bot, weight_history(watched))


def _fingerprint(bot: Bot, weights: WeightHistory) -> str:
    strategy = make_strategy(bot.strategy, bot.parameters)
    instruments = {one.pk: str(one) for one in bot.instruments.all()}
    read = weights_read(
        strategy=strategy,
        instrument_ids=list(instruments),
        timeframe=bot.timeframe,
        as_of=bot.account.stream.sealed_to,
        history=weights,
    )
    return fingerprint_of(
        name=bot.strategy,
        strategy=strategy,
        timeframe=bot.timeframe,
        instruments=list(instruments.values()),
        indicators={name for sets in read.values() for one in sets.values() for name in one.names},
    )


@dataclass(frozen=True, slots=True)
class ProofStatus:
    """What the newest check of a bot says about it as it is now."""

    word: str  # none, passed, failed, outdated
    proof: BotProof | None = None

    @property
    def is_good(self) -> bool:
        """Tell whether the bot may leave draft."""
        return self.word == "passed"


def proof_status(bot: Bot) -> ProofStatus:
    """Return whether the bot's newest proof still fits."""
    return proof_statuses([bot])[bot.pk]


def proof_statuses(bots: Sequence[Bot]) -> dict[int, ProofStatus]:
    """Return it for each, two queries in all; the bots come with their streams."""
    newest = BotProof.objects.filter(bot__in=[bot.pk for bot in bots])
    proofs = {one.bot_id: one for one in newest.order_by("bot_id", "-id").distinct("bot_id")}
    watched = sorted({one.pk for bot in bots for one in bot.instruments.all()})
    weights = weight_history(watched)
    return {bot.pk: _status(bot, proofs.get(bot.pk), weights) for bot in bots}


def _status(bot: Bot, proof: BotProof | None, weights: WeightHistory) -> ProofStatus:
    if proof is None:
        return ProofStatus("none")
    try:
        fits = proof.fingerprint == _fingerprint(bot, weights)
    except PLUGIN_FAULTS:  # it cannot even be made any more
        fits = False
    if not fits:
        return ProofStatus("outdated", proof)
    return ProofStatus("passed" if proof.passed else "failed", proof)
