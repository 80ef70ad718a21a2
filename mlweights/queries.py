"""What the upper floors ask about weights."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from domain.signals import WeightSet
from marketdata.indicators.regime_mixture import fitted_regime
from marketdata.indicators.registry import Indicator, make_indicator
from marketdata.models import DataRevision
from mlweights.models import RegimeModel, Score, TrainingRun, WeightVersion


@dataclass(frozen=True, slots=True)
class DatedWeights:
    """A version with the instant from which on it decides."""

    version_id: int
    label: str
    valid_from: datetime
    weight_set: WeightSet


class WeightHistory:
    """Which version decides an instrument at an instant: the greatest `valid_from` not after it.

    Of the learned ones (source '') an instrument's own come first, then the default's: decision
    page 0005. A strategy's own weights are named by their source and good for any instrument.
    """

    def __init__(self, versions: Sequence[WeightVersion]) -> None:
        self._ladders: dict[tuple[int | None, str, str], dict[str, list[DatedWeights]]] = {}
        for version in versions:
            if version.valid_from is not None:
                key = (version.instrument_id, version.timeframe, version.group)
                dated = DatedWeights(
                    version.pk, version.label, version.valid_from, version.weight_set()
                )
                ladders = self._ladders.setdefault(key, {})
                ladders.setdefault(version.regime, []).append(dated)
        for ladders in self._ladders.values():
            for ladder in ladders.values():
                ladder.sort(key=lambda dated: (dated.valid_from, dated.version_id))

    def at(
        self, *, instrument_id: int, timeframe: str, closed_at: datetime, source: str = ""
    ) -> dict[str, DatedWeights]:
        """Return the weights that decide this bar, by regime; those for any stand under ''."""
        for key in ((instrument_id, timeframe, source), (None, "", source)):
            found = {
                regime: ladder[place - 1]
                for regime, ladder in self._ladders.get(key, {}).items()
                if (place := bisect_right(ladder, closed_at, key=lambda dated: dated.valid_from))
            }
            if "" in found:
                return found
        whose = f"weights of '{source}' are" if source else "default weight version is"
        raise LookupError(f"the {whose} missing; run manage.py migrate, start the bot again")


def weight_history(instrument_ids: Sequence[int], sources: Sequence[str] = ()) -> WeightHistory:
    """Return every version that ever decided these instruments, the default, and the sources'."""
    own = WeightVersion.objects.filter(instrument_id__in=instrument_ids)
    default = WeightVersion.objects.filter(
        instrument__isnull=True, group__in=["", *sources], timeframe=""
    )
    return WeightHistory([*own.exclude(valid_from=None), *default.exclude(valid_from=None)])


RULES = "rules"


class RegimeHistory:
    """Which detector tells an instrument's regime: the newest fitted one valid then, else rules."""

    def __init__(self, models: Sequence[RegimeModel]) -> None:
        self._ladders: dict[tuple[int, str], list[tuple[datetime, Indicator, str]]] = {}
        for model in sorted(models, key=lambda one: one.valid_from):
            ladder = self._ladders.setdefault((model.instrument_id, model.timeframe), [])
            ladder.append((model.valid_from, fitted_regime(tuple(model.numbers)), model.label))

    def at(
        self, *, instrument_id: int, timeframe: str, closed_at: datetime
    ) -> tuple[Indicator, str]:
        """Return the detector that tells this bar's regime, and its label."""
        ladder = self._ladders.get((instrument_id, timeframe), [])
        place = bisect_right(ladder, closed_at, key=lambda one: one[0])
        if place:
            return ladder[place - 1][1:]
        return make_indicator("regime"), RULES


def regime_history(instrument_ids: Sequence[int]) -> RegimeHistory:
    """Return every detector ever fitted to these instruments."""
    return RegimeHistory(list(RegimeModel.objects.filter(instrument_id__in=instrument_ids)))


# What was scored or learned from bars that were corrected or came later


def changes_under_score(score: Score) -> QuerySet[DataRevision]:
    """Return what changed the bars under the score after it was made, newest first."""
    return _changes(
        *(score.instrument_id, score.timeframe, score.created_at, score.closed_at),
        since=score.bars_from,
    )


def changes_under_run(run: TrainingRun) -> QuerySet[DataRevision]:
    """Return what changed the bars a run learned from after it began, newest first."""
    return _changes(run.instrument_id, run.timeframe, run.created_at, run.as_of)


def score_on_old_data(score: str = "") -> Exists:
    """Return a condition on scores, or on rows that point at one by the prefix `score`."""
    names = ("instrument_id", "timeframe", "created_at", "closed_at")
    columns = (OuterRef(f"{score}{name}") for name in names)
    return Exists(_changes(*columns, since=OuterRef(f"{score}bars_from")))


def run_on_old_data() -> Exists:
    """Return a condition on training runs."""
    names = ("instrument_id", "timeframe", "created_at", "as_of")
    return Exists(_changes(*map(OuterRef, names)))


def _changes(
    instrument: Any, timeframe: Any, made_at: Any, before: Any, *, since: Any = None
) -> QuerySet[DataRevision]:
    """Return the revisions of a series made after `made_at` that meet bars of [since, before)."""
    found = DataRevision.objects.filter(
        instrument_id=instrument,
        timeframe=timeframe,
        created_at__gt=made_at,
        first_opened_at__lt=before,
    )
    return found if since is None else found.filter(last_opened_at__gte=since)
