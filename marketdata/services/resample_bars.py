"""Longer bars out of stored shorter ones: what is missing is added, nothing is overwritten."""

from dataclasses import dataclass

import numpy as np

from domain.bars import Timeframe, picked, to_micros
from marketdata.calendars import CLOCK, calendar_named, is_among
from marketdata.models import Bar, DataGap, Instrument
from marketdata.resampling import ResamplingError, resample
from marketdata.services.find_gaps import find_gaps
from marketdata.services.ingest_bars import store_bars
from marketdata.services.read_series import read_openings, read_series


@dataclass(frozen=True, slots=True)
class Resampled:
    """How many bars were made, how many of them were new, and how many lie over a hole."""

    made: int
    stored: int
    holed: int


def resample_bars(*, instrument: Instrument, source: Timeframe, target: Timeframe) -> Resampled:
    """Make the whole bars of `target` that stored bars of `source` allow, and store those missing.

    A bar over an open gap of the source is not made: it would be another bar than the market's.
    A provider's own bar at that time stays as it is.
    """
    refuse_impossible(instrument=instrument, source=source, target=target)
    calendar = calendar_named(instrument.calendar)
    find_gaps(instrument=instrument, timeframe=source)
    made = resample(
        read_series(instrument_id=instrument.pk, timeframe=source), source, target, calendar
    )
    over = np.zeros(len(made), dtype=np.bool_)
    for gap in DataGap.objects.filter(instrument=instrument, timeframe=source.value, state="open"):
        first, last = to_micros(gap.first_opened_at), to_micros(gap.last_opened_at)
        over |= (made.closed_at > first) & (made.opened_at <= last)
    stored_at = read_openings(instrument_id=instrument.pk, timeframe=target)
    names, known = made.opened_at, stored_at
    if target.seconds >= Timeframe.D1.seconds:
        # One day has one bar, whichever midnight or opening it is labelled with.
        dated = calendar or CLOCK
        names, known = dated.days_of(names), dated.days_of(known)
    new = picked(made, ~over & ~is_among(names, known))
    stored = store_bars(instrument_id=instrument.pk, timeframe=target, bars=new).inserted
    return Resampled(made=len(made), stored=stored, holed=int(over.sum()))


def refuse_impossible(*, instrument: Instrument, source: Timeframe, target: Timeframe) -> None:
    """Raise when no bar of `target` can come of the stored bars of `source`."""
    if source is target:
        raise ResamplingError(f"{source.value} bars are {target.value} bars already")
    if target.seconds % source.seconds:
        raise ResamplingError(
            f"{source.value} bars do not make {target.value} bars:"
            f" {target.value} is no multiple of {source.value}"
        )
    if not Bar.objects.filter(instrument=instrument, timeframe=source.value).exists():
        raise ResamplingError(f"{instrument} has no stored {source.value} bars to make others of")
