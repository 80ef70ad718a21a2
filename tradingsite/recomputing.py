"""A stored score made again from stored bars: the same bits, or what differs and why."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import zip_longest

from django.db.models import Q

from domain.bars import Timeframe
from domain.errors import PlumblineError
from domain.money import from_nano
from execution.trade_cycle import ScoredBar
from marketdata.models import Bar, BarRevision, DataRevision, Split
from marketdata.queries import instrument_terms, series_facts
from mlweights.models import Score
from mlweights.queries import regime_history, weight_history
from mlweights.readings import layout_of
from tradingsite.pipelines.scoring import Folds, watched

MOST_CHANGED = 20
VALUES = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True, slots=True)
class Difference:
    """One part of a score that came out otherwise; floats to the last digit."""

    part: str
    stored: str
    again: str


@dataclass(frozen=True, slots=True)
class ChangedBar:
    """A bar under the score that changed after it was made.

    `counts` tells that the recomputation sees the change: one recorded as known only after the
    score's instant is taken back, one made past every service is not.
    """

    kind: str
    timeframe: str
    opened_at: datetime
    detail: str
    changed_at: datetime
    counts: bool


@dataclass(frozen=True, slots=True)
class Recomputed:
    """What came of making the score again; `verdict` says it in one line."""

    is_same: bool
    value: Decimal | None
    verdict: str
    differences: tuple[Difference, ...]
    changed_bars: tuple[ChangedBar, ...]


def recomputed(score: Score) -> Recomputed:
    """Return the score made again from what is stored, as the bars were known at its instant."""
    changed = _changed_bars(score)
    try:
        again = score_again(score)
    except (PlumblineError, LookupError) as error:
        return _impossible(str(error), changed)
    if again is None:
        return _impossible("its bar is gone", changed)
    differences = tuple(differences_between(score, again))
    value = None if again.score.value is None else from_nano(again.score.value)
    return Recomputed(
        is_same=not differences,
        value=value,
        verdict=_verdict(differences, again.blocked, changed),
        differences=differences,
        changed_bars=changed,
    )


def _impossible(reason: str, changed: tuple[ChangedBar, ...]) -> Recomputed:
    said = f"cannot be recomputed: {reason}"
    return Recomputed(is_same=False, value=None, verdict=said, differences=(), changed_bars=changed)


def score_again(score: Score) -> ScoredBar | None:
    """Return what the walk would store for the score's instant now, None without its bar."""
    group, at = score.weight_version.group, score.closed_at
    one = watched(
        instrument_terms([score.instrument_id])[score.instrument_id],
        Timeframe.parse(score.timeframe),
        group,
        weight_history([score.instrument_id], [group] if group else []),
        regime_history([score.instrument_id]),
        at,
    )
    return Folds().score([one], closed_at=at, sealed_to=at).get(one.key)


def differences_between(score: Score, again: ScoredBar) -> Iterator[Difference]:
    """Yield every part that is not the same to the last bit."""
    version = score.weight_version
    names = [name for name, _ in version.weights]
    value = None if again.score.value is None else from_nano(again.score.value)
    pairs: list[tuple[str, object, object]] = [
        ("weight version", version.label, again.weight_label),
        ("score", score.value, value),
        *_pairs("raw", names, score.raw, again.raw),
        *_pairs("normalised", names, score.normalised, again.normalised),
        *_pairs("contribution", names, score.contributions, again.score.contributions),
        ("regime", score.regime, again.regime.trend),
        ("volatility", score.volatility, again.regime.volatility),
        ("first bar", score.bars_from, again.bars_from),
        ("hash of the bars", score.bars_hash, again.bars_hash),
    ]
    for part, stored, made in pairs:
        # as text, for -0.0 equals 0.0 and is another bit
        if _text(stored) != _text(made):
            yield Difference(part, _text(stored), _text(made))


def _pairs(
    kind: str, names: Sequence[str], stored: Sequence[object], made: Sequence[object]
) -> Iterator[tuple[str, object, object]]:
    for name, one, other in zip_longest(names, stored, made):
        yield f"{kind} of {name}", one, other


def _text(value: object) -> str:
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, Decimal):
        return f"{value:.9f}"
    return "none" if value is None else str(value)


def _verdict(differences: Sequence[Difference], blocked: str, changed: Sequence[ChangedBar]) -> str:
    if not differences:
        return "recomputed from stored data: the same bits"
    parts = f"{len(differences)} part{'s' if len(differences) > 1 else ''} differ"
    said = f"recomputed from stored data: {parts}, first the {differences[0].part}"
    if blocked:
        return f"{said}; {blocked}"
    guilty = [one for one in changed if one.counts]
    if not guilty:
        return f"{said}; no stored change of its bars explains it"
    first = guilty[0]
    more = f" and {len(guilty) - 1} more" if len(guilty) > 1 else ""
    if first.kind == "split":
        what = f"the split of {first.opened_at:%Y-%m-%d} was entered"
    else:
        bar = f"{first.timeframe} bar opened {first.opened_at:%Y-%m-%d %H:%M}Z"
        what = f"the {bar} was {first.kind}"
    return f"{said}; {what} afterwards: {first.detail}{more}"


# What changed under the score since it was made


def _changed_bars(score: Score) -> tuple[ChangedBar, ...]:
    names = tuple(name for name, _ in score.weight_version.weights)
    try:
        layout = layout_of(names, Timeframe.parse(score.timeframe))
        timeframes = [one.value for one in layout.timeframes]
    except PlumblineError:  # a spec that is no longer understood
        timeframes = [score.timeframe]
    found = [*_corrected(score, timeframes), *_backfilled(score, timeframes), *_split(score)]
    found.sort(key=lambda one: (not one.counts, one.opened_at))
    return tuple(found[:MOST_CHANGED])


def _under(score: Score, timeframes: Sequence[str]) -> Q:
    return Q(
        instrument_id=score.instrument_id,
        timeframe__in=timeframes,
        opened_at__gte=score.bars_from,
        opened_at__lt=score.closed_at,
    )


def _corrected(score: Score, timeframes: Sequence[str]) -> Iterator[ChangedBar]:
    """Yield the bars with other values now than when the score was made."""
    older = BarRevision.objects.filter(
        _under(score, timeframes), replaced_at__gt=score.created_at
    ).order_by("timeframe", "opened_at", "version")[: 2 * MOST_CHANGED]
    first: dict[tuple[str, datetime], BarRevision] = {}
    for row in older:
        first.setdefault((row.timeframe, row.opened_at), row)
    now = Bar.objects.filter(
        _under(score, timeframes), opened_at__in=[opened for _, opened in first]
    )
    rows = {(row.timeframe, row.opened_at): row for row in now}
    ahead = {one for one in timeframes if _is_ahead(score, one)}
    for key, old in first.items():
        yield ChangedBar(
            kind="corrected",
            timeframe=old.timeframe,
            opened_at=old.opened_at,
            detail=_moved(old, rows.get(key)),
            changed_at=old.replaced_at,
            counts=old.timeframe not in ahead or old.known_until < score.closed_at,
        )


def _is_ahead(score: Score, timeframe: str) -> bool:
    """Tell whether a recorded change known only after the score makes it look for former bars."""
    facts = series_facts(
        instrument_ids=[score.instrument_id],
        timeframe=Timeframe.parse(timeframe),
        as_of=score.closed_at,
    )
    return facts[score.instrument_id].is_ahead


def _moved(old: BarRevision, new: Bar | None) -> str:
    if new is None:
        return "it is gone now"
    pairs = ((name, getattr(old, name), getattr(new, name)) for name in VALUES)
    return ", ".join(f"{name} {was} → {now}" for name, was, now in pairs if was != now)


def _backfilled(score: Score, timeframes: Sequence[str]) -> Iterator[ChangedBar]:
    """Yield the bars that came behind their seal after the score was made."""
    later = DataRevision.objects.filter(
        kind="backfilled",
        instrument_id=score.instrument_id,
        timeframe__in=timeframes,
        created_at__gt=score.created_at,
        first_opened_at__lt=score.closed_at,
        last_opened_at__gte=score.bars_from,
    ).order_by("id")[:MOST_CHANGED]
    for change in later:
        bars = Bar.objects.filter(
            _under(score, [change.timeframe]),
            opened_at__range=(change.first_opened_at, change.last_opened_at),
            known_at__isnull=False,
        )
        for bar in bars.order_by("opened_at")[:MOST_CHANGED]:
            yield ChangedBar(
                kind="backfilled",
                timeframe=bar.timeframe,
                opened_at=bar.opened_at,
                detail=f"revision {change.pk}",
                changed_at=change.created_at,
                counts=bar.known_at is not None and bar.known_at < score.closed_at,
            )


def _split(score: Score) -> Iterator[ChangedBar]:
    """Yield the splits that were entered after the score was made and divide its prices."""
    entered = Split.objects.filter(
        instrument_id=score.instrument_id,
        created_at__gt=score.created_at,
        effective_at__lt=score.closed_at,
    )
    for split in entered.order_by("effective_at"):
        yield ChangedBar(
            kind="split",
            timeframe=score.timeframe,
            opened_at=split.effective_at,
            detail=f"{split.ratio.normalize():f} for 1",
            changed_at=split.created_at,
            counts=True,
        )
