"""Fit the regimes of a series to what is sealed, and let them decide from then on."""

from datetime import datetime

import numpy as np
from django.db import transaction
from django.db.models import Max

from domain.bars import FloatArray, IntArray, Timeframe, to_micros
from domain.bus import publish
from domain.events import RegimesFitted
from marketdata.indicators.fold import check_bars, columns_of
from marketdata.models import Instrument, Stream
from marketdata.queries import bars_window, holes_at, instrument_terms, streams_of
from mlweights.models import RegimeModel
from mlweights.regimes import fit_regimes
from mlweights.services.propose_version import FIRST_MOMENT, NoClockError

METHOD = "mixture"


def fit_regime_model(*, instrument: Instrument, timeframe: Timeframe, actor: str) -> RegimeModel:
    """Store Gaussians fitted to everything sealed, valid from the first instant after it.

    As with weights, the streams' rows are locked while the instant is chosen: no decision can
    have been made under a model it could not have known.
    """
    as_of = max((stream.sealed_to for stream in streams_of(instrument.pk)), default=None)
    if as_of is None:
        raise NoClockError(f"no stream delivers {instrument}: nothing to be valid from")
    bars, holes = adjusted_bars(instrument=instrument, timeframe=timeframe, as_of=as_of)
    fitted = fit_regimes(bars, holes)
    with transaction.atomic():
        streams = Stream.objects.select_for_update().filter(instruments=instrument)
        known = [stream.sealed_to for stream in streams.order_by("pk")]
        earlier = RegimeModel.objects.filter(instrument=instrument, timeframe=timeframe.value)
        latest = earlier.aggregate(latest=Max("valid_from"))["latest"]
        valid_from = max([*known, latest] if latest else known) + FIRST_MOMENT
        model = RegimeModel.objects.create(
            label=f"{METHOD}:{instrument}:{timeframe.value}:{earlier.count() + 1}",
            instrument=instrument,
            timeframe=timeframe.value,
            method=METHOD,
            numbers=list(fitted.numbers),
            measures=fitted.measures,
            data_hash=fitted.data_hash,
            as_of=as_of,
            valid_from=valid_from,
        )
        publish(
            RegimesFitted(
                shard=0,
                actor=actor,
                action="fit_regimes",
                subject=model.label,
                detail={"valid_from": valid_from.isoformat()},
            )
        )
    return model


def adjusted_bars(
    *, instrument: Instrument, timeframe: Timeframe, as_of: datetime
) -> tuple[FloatArray, IntArray]:
    """Return every bar known by `as_of` as kernels read it, and the holes among them.

    COLUMNS x n, adjusted for the splits effective by then.
    """
    series = bars_window(instrument_id=instrument.pk, timeframe=timeframe, as_of=as_of)
    check_bars(series)
    terms = instrument_terms([instrument.pk])[instrument.pk]
    splits = [
        (to_micros(split.effective_at), split.ratio)
        for split in terms.splits
        if split.effective_at < as_of
    ]
    holes = holes_at(instrument_id=instrument.pk, timeframe=timeframe, as_of=as_of)
    return columns_of(series, splits), np.array([to_micros(one) for one in holes], dtype=np.int64)
