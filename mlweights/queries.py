"""What the upper floors ask about weights."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.signals import WeightSet
from mlweights.models import WeightVersion


@dataclass(frozen=True, slots=True)
class DatedWeights:
    """A version with the instant from which on it decides."""

    version_id: int
    label: str
    valid_from: datetime
    weight_set: WeightSet


class WeightHistory:
    """Which version decides an instrument at an instant: the greatest `valid_from` not after it.

    An instrument's own versions come first, then the default's: decision page 0005.
    """

    def __init__(self, versions: Sequence[WeightVersion]) -> None:
        self._ladders: dict[tuple[int | None, str], list[DatedWeights]] = {}
        for version in versions:
            if version.valid_from is not None:
                key = (version.instrument_id, version.timeframe)
                dated = DatedWeights(
                    version.pk, version.label, version.valid_from, version.weight_set()
                )
                self._ladders.setdefault(key, []).append(dated)
        for ladder in self._ladders.values():
            ladder.sort(key=lambda dated: (dated.valid_from, dated.version_id))

    def at(self, *, instrument_id: int, timeframe: str, closed_at: datetime) -> DatedWeights:
        """Return the weights that decide this bar."""
        for key in ((instrument_id, timeframe), (None, "")):
            ladder = self._ladders.get(key, [])
            place = bisect_right(ladder, closed_at, key=lambda dated: dated.valid_from)
            if place:
                return ladder[place - 1]
        raise LookupError("the default weight version is missing; run manage.py migrate")


def weight_history(instrument_ids: Sequence[int]) -> WeightHistory:
    """Return every version that ever decided these instruments, and the default."""
    own = WeightVersion.objects.filter(instrument_id__in=instrument_ids)
    default = WeightVersion.objects.filter(instrument__isnull=True, group="", timeframe="")
    return WeightHistory([*own.exclude(valid_from=None), *default.exclude(valid_from=None)])
