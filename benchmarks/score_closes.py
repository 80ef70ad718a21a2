"""A bar close of 500 instruments, 25 indicators each, scored. Django is set up before."""

import json
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from statistics import median

from benchmarks.indicators import SET
from benchmarks.window_reads import fill
from domain.bars import Timeframe
from domain.signals import DEFAULT_WEIGHTS, WeightSet
from marketdata.indicators.registry import make_indicator
from marketdata.models import Bar
from marketdata.queries import instrument_terms
from mlweights.queries import DatedWeights
from tradingsite.pipelines.scoring import Folds, Watched

BARS_EACH = 6_000  # four days and some hours
CLOSES = 30
COLD = 5
ALWAYS = datetime(2000, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def main(_folder: str) -> None:
    """Score closes one after the other, then with nothing in memory; print one JSON object."""
    ids = fill(bars_each=BARS_EACH)
    newest = Bar.objects.filter(instrument_id=ids[0], timeframe="1m").latest("opened_at").closed_at
    answer: dict[str, object] = {}
    for count in (500, 50):
        watched = _watched(ids[:count])
        warm = _warm(watched, newest)
        cold = [_timed(Folds(), watched, newest) for _ in range(COLD)]
        name = f"scoring {count} instruments x {len(SET)} indicators"
        answer[f"{name}, warm folds, ms p50 (worst)"] = (
            f"{median(warm):.1f} ({max(warm):.1f} of {len(warm)})"
        )
        answer[f"{name}, nothing in memory, ms p50"] = round(median(cold), 1)
    sys.stdout.write(json.dumps(answer))


def _watched(ids: list[int]) -> list[Watched]:
    """Return the instruments under one weight each; what has no direction is looked at only."""
    names = SET
    directed = [make_indicator(name).is_directed for name in names]
    weights = tuple(1.0 if one else 0.0 for one in directed)
    weight_set: WeightSet = replace(DEFAULT_WEIGHTS, names=names, weights=weights)
    dated = {"": DatedWeights(1, "bench", ALWAYS, weight_set)}
    detector = make_indicator("regime")
    terms = instrument_terms(ids)
    return [Watched(terms[one], Timeframe.M1, dated, detector) for one in ids]


def _warm(watched: list[Watched], newest: datetime) -> list[float]:
    """Return what each of the last closes took, one at a time, each bar read when it is due."""
    folds = Folds()
    first = newest - CLOSES * MINUTE
    folds.score(watched, closed_at=first, sealed_to=first)
    return [_timed(folds, watched, first + step * MINUTE) for step in range(1, CLOSES + 1)]


def _timed(folds: Folds, watched: list[Watched], at: datetime) -> float:
    began = time.perf_counter()
    scored = folds.score(watched, closed_at=at, sealed_to=at)
    taken = 1000 * (time.perf_counter() - began)
    if len(scored) != len(watched) or any(one.score.value is None for one in scored.values()):
        raise RuntimeError(f"not every instrument was scored at {at}")
    return taken
