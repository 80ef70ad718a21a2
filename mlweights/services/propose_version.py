"""Store what was learned as an immutable version, and let a version decide."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Max

from domain.bars import EPOCH
from domain.bus import publish
from domain.errors import PlumblineError
from domain.events import WeightVersionActivated
from domain.signals import WeightSet
from marketdata.models import Instrument, Stream
from mlweights.learning import Candidate
from mlweights.models import TrainingRun, WeightVersion
from mlweights.scoring import refuse_unusable

# Any closing instant after `sealed_to` lies later than this; bars last at least a minute.
FIRST_MOMENT = timedelta(seconds=1)


class NoClockError(PlumblineError):
    """No stream tells the time of this instrument."""

    code = "no_clock"


def propose_version(*, run: TrainingRun, candidate: Candidate) -> WeightVersion:
    """Store the candidate under the next number of its instrument and timeframe."""
    key = {"instrument": run.instrument, "timeframe": run.timeframe, "group": "", "regime": ""}
    refuse_unusable(candidate.weight_set)
    with transaction.atomic():
        Instrument.objects.select_for_update().get(pk=run.instrument_id)  # numbers count up alone
        earlier = WeightVersion.objects.filter(**key)
        weights = candidate.weight_set
        return WeightVersion.objects.create(
            **key,
            label=f"{run.instrument}:{run.timeframe}:{earlier.count() + 1}",
            weights=list(zip(weights.names, weights.weights, strict=True)),
            buy_threshold=weights.buy_threshold,
            sell_threshold=weights.sell_threshold,
            optimizer=candidate.optimizer,
            parameters=dict(candidate.parameters),
            parent=earlier.filter(active=True).first(),
            training_run=run,
            data_hash=candidate.data_hash,
            measures=candidate.measures.as_json(),
        )


def fix_weights(*, source: str, weight_sets: Mapping[str, WeightSet]) -> None:
    """Store a strategy's own weights, once: the source bears a hash of them."""
    for weights in weight_sets.values():
        refuse_unusable(weights)
    WeightVersion.objects.bulk_create(
        [
            WeightVersion(
                label=f"{source}:{regime}" if regime else source,
                group=source,
                regime=regime,
                weights=list(zip(weights.names, weights.weights, strict=True)),
                buy_threshold=weights.buy_threshold,
                sell_threshold=weights.sell_threshold,
                optimizer="fixed",
                state="active",
                active=True,
                valid_from=EPOCH,
            )
            for regime, weights in sorted(weight_sets.items())
        ],
        ignore_conflicts=True,
    )


def activate_version(*, version: WeightVersion, actor: str) -> datetime:
    """Let the version decide from the first instant after everything sealed so far.

    The streams' rows are locked meanwhile: no instant is sealed between reading their clock and
    the commit, so no decision can be made under a version it could not have known.
    """
    with transaction.atomic():
        streams = Stream.objects.select_for_update().filter(instruments=version.instrument)
        sealed = [stream.sealed_to for stream in streams.order_by("pk")]
        incumbents = WeightVersion.objects.filter(
            instrument=version.instrument,
            timeframe=version.timeframe,
            group=version.group,
            regime=version.regime,
        )
        latest = incumbents.aggregate(latest=Max("valid_from"))["latest"]
        known = [*sealed, latest] if latest else sealed
        if not known:
            raise NoClockError(f"no stream delivers {version.instrument}: nothing to be valid from")
        incumbents.filter(active=True).update(active=False, state="retired")
        version.valid_from = max(known) + FIRST_MOMENT
        version.active, version.state = True, "active"
        version.save(update_fields=["valid_from", "active", "state"])
        publish(
            WeightVersionActivated(
                shard=0,
                actor=actor,
                action="activate_weights",
                subject=version.label,
                detail={"valid_from": version.valid_from.isoformat()},
            )
        )
    return version.valid_from
