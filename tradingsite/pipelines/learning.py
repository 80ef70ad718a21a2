"""Bars to a weight version: learn, store, activate."""

from datetime import datetime

import structlog
from django.db.models import Max

from domain.bars import Timeframe, to_micros
from domain.errors import PLUGIN_FAULTS, PlumblineError
from domain.signals import DEFAULT_WEIGHTS
from marketdata.indicators.blocks import indicator_matrix
from marketdata.indicators.registry import indicator_set, make_indicator
from marketdata.models import Instrument
from marketdata.models.wall_time import ClockTimestamp
from marketdata.queries import bars_window, extras_for, holes_at, instrument_terms, streams_of
from mlweights.learning import TrainingData, retrain
from mlweights.models import TrainingRun, WeightVersion
from mlweights.services.propose_version import activate_version, propose_version
from strategies.bots.registry import make_strategy
from strategies.models import Bot

# Learning again from the same quarter teaches nothing new.
FEWEST_NEW_BARS = 60

log = structlog.get_logger("learning")


def retrain_all(*, force: bool = False) -> list[str]:
    """Retrain every instrument and timeframe a running bot watches; return the new labels."""
    labels = []
    for instrument, timeframe in _watched():
        if force or _has_enough_new(instrument, timeframe):
            version = retrain_one(instrument=instrument, timeframe=timeframe)
            if version is not None:
                labels.append(version.label)
    return labels


def retrain_one(
    *, instrument: Instrument, timeframe: Timeframe, optimizer: str = "ridge"
) -> WeightVersion | None:
    """Learn from everything sealed so far; return the active version, None when refused."""
    as_of = _known_to(instrument)
    if as_of is None:
        return None
    run = TrainingRun.objects.create(
        instrument=instrument, timeframe=timeframe.value, optimizer=optimizer, as_of=as_of
    )
    try:
        candidate = retrain(training_data(instrument, timeframe, as_of), optimizer)
    except Exception as refusal:
        if not isinstance(refusal, PlumblineError):
            log.exception("training_failed", instrument=str(instrument))
        _finish(run, state="refused", reason=str(refusal)[:300])
        log.info("training_refused", instrument=str(instrument), reason=str(refusal))
        return None
    _finish(
        run,
        state="done",
        data_hash=candidate.data_hash,
        parameters=dict(candidate.parameters),
        measures=candidate.measures.as_json(),
    )
    version = propose_version(run=run, candidate=candidate)
    valid_from = activate_version(version=version, actor="retrain")
    log.info("weights_activated", version=version.label, valid_from=valid_from.isoformat())
    return version


def training_data(instrument: Instrument, timeframe: Timeframe, as_of: datetime) -> TrainingData:
    """Return indicator values and split-adjusted closes of every bar closed by `as_of`."""
    terms = instrument_terms([instrument.pk])[instrument.pk]
    known = tuple(split for split in terms.splits if split.effective_at < as_of)
    series = bars_window(instrument_id=instrument.pk, timeframe=timeframe, as_of=as_of)
    names = DEFAULT_WEIGHTS.names
    # The detector leads the fold of a score too: the same anchor, the same holes.
    indicators = (*indicator_set(names), make_indicator("regime"))
    holes = holes_at(instrument_id=instrument.pk, timeframe=timeframe, as_of=as_of)
    extras = extras_for(terms=terms, timeframe=timeframe, indicators=indicators)
    matrix = indicator_matrix(series, timeframe, indicators, known, holes, extras)
    closes = series.close.copy()
    for split in known:
        closes[series.opened_at < to_micros(split.effective_at)] /= split.ratio
    return TrainingData(
        names=names,
        normalised=matrix.normalised[:, : len(names)],
        closes=closes,
        closed_at=series.closed_at,
    )


def _watched() -> list[tuple[Instrument, Timeframe]]:
    bots = Bot.objects.exclude(state="stopped").prefetch_related("instruments")
    pairs = {
        (one, bot.timeframe)
        for bot in bots
        if _reads_learned_weights(bot)
        for one in bot.instruments.all()
    }
    ordered = sorted(pairs, key=lambda pair: (str(pair[0]), pair[1]))
    return [(one, Timeframe.parse(text)) for one, text in ordered]


def _reads_learned_weights(bot: Bot) -> bool:
    """Tell whether what the bot's strategy reads is learned; one that fails reads nothing."""
    try:
        return not make_strategy(bot.strategy, bot.parameters).weight_sets()
    except PLUGIN_FAULTS:  # the walk alerts
        return False


def _known_to(instrument: Instrument) -> datetime | None:
    """Return the newest instant sealed on any stream of the instrument."""
    return max((stream.sealed_to for stream in streams_of(instrument.pk)), default=None)


def _has_enough_new(instrument: Instrument, timeframe: Timeframe) -> bool:
    as_of = _known_to(instrument)
    if as_of is None:
        return False
    runs = TrainingRun.objects.filter(instrument=instrument, timeframe=timeframe.value)
    last = runs.exclude(state="running").aggregate(last=Max("as_of"))["last"]
    if last is None:
        return True
    series = bars_window(instrument_id=instrument.pk, timeframe=timeframe, as_of=as_of)
    return int((series.closed_at > to_micros(last)).sum()) >= FEWEST_NEW_BARS


def _finish(run: TrainingRun, **fields: object) -> None:
    TrainingRun.objects.filter(pk=run.pk).update(finished_at=ClockTimestamp(), **fields)
