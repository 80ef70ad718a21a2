"""Longer bars of a live stream, resampled from its stored shorter ones at their closing instants.

Nothing is carried in memory from one instant to the next, so a restart loses nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import structlog

from domain.bars import Bar, Timeframe, from_micros, series_of, to_micros
from marketdata.calendars import CLOCK, Calendar, calendar_named
from marketdata.closing_times import ClosingTimes
from marketdata.queries import bars_since
from marketdata.resampling import resample
from marketdata.services.ingest_bars import bars_of

MOMENT = timedelta(microseconds=1)

log = structlog.get_logger("feed")
Made = dict[tuple[int, Timeframe], Bar]
Span = tuple[int, int]  # epoch microseconds


class LongerBars:
    """What a stream's longer timeframes need to know of its instruments' calendars.

    `unknown_in(opened_at, closed_at)` names the instruments with a base bar nobody could deliver.
    """

    def __init__(
        self,
        calendars: Mapping[int, str],
        timeframes: Sequence[Timeframe],
        *,
        known_from: int,
        unknown_in: Callable[[int, int], set[int]],
    ) -> None:
        self._base = timeframes[0]
        self._known_from = known_from
        self._unknown_in = unknown_in
        # Each is made of the longest one that its bars are whole multiples of.
        self._sources = {
            one: [s for s in timeframes if s.seconds < one.seconds and not one.seconds % s.seconds][
                -1
            ]
            for one in timeframes[1:]
        }
        self._markets: dict[str, _Market] = {}
        for instrument_id, name in calendars.items():
            market = self._markets.setdefault(name, _Market(calendar_named(name), [], {}))
            market.members.append(instrument_id)
        for market in self._markets.values():
            market.closing.update({t: ClosingTimes(market.calendar, t) for t in self._sources})

    def closing_at(self, closed_at: int, base: Mapping[int, Bar]) -> Made:
        """Return every bar that closes at the instant, the given base bars among them."""
        made: Made = {(one, self._base): bar for one, bar in base.items()}
        for target, source in self._sources.items():
            for market in self._markets.values():
                opened_at = market.closing[target].opened_of(closed_at)
                if opened_at is not None:
                    span = (opened_at, closed_at)
                    parts = self._parts(market.members, source, span, made)
                    made |= self._resampled(market, parts, source, target, span)
        return made

    def _parts(
        self, members: Sequence[int], source: Timeframe, span: Span, made: Made
    ) -> dict[int, list[Bar]]:
        """Return the shorter bars inside the span: those stored, and those just made."""
        first, last = map(from_micros, span)
        stored = bars_since(
            since=dict.fromkeys(members, first - MOMENT), timeframe=source, up_to=last, as_of=last
        )
        for one, bars in stored.items():
            fresh = made.get((one, source))
            if fresh is not None and (not bars or bars[-1].opened_at < fresh.opened_at):
                bars.append(fresh)
        return {one: bars for one, bars in stored.items() if bars}

    def _resampled(
        self,
        market: "_Market",
        parts: Mapping[int, Sequence[Bar]],
        source: Timeframe,
        target: Timeframe,
        span: Span,
    ) -> Made:
        unknown = self._unknown_in(*span) if parts else set()
        found: Made = {}
        for one, bars in parts.items():
            if one in unknown or not self._has_beginning(market, source, span, bars):
                log.info("bar left out: a part is not known", instrument=one, bars=target.value)
                continue
            longer = resample(series_of(bars), source, target, market.calendar, keep_partial=True)
            ending = int(np.searchsorted(longer.closed_at, span[1]))
            for bar in bars_of(longer[ending : ending + 1]):
                if bar.closed_at == from_micros(span[1]):
                    found[one, target] = bar
        return found

    def _has_beginning(
        self, market: "_Market", source: Timeframe, span: Span, bars: Sequence[Bar]
    ) -> bool:
        """Tell whether every bar is stored that opened in the span before the stream began."""
        if span[0] >= self._known_from:
            return True
        expected = (market.calendar or CLOCK).expected_opens(
            source, from_micros(span[0]), from_micros(min(span[1], self._known_from))
        )
        opened = [to_micros(bar.opened_at) for bar in bars]
        return bool(np.isin(expected, opened).all())


@dataclass(frozen=True)
class _Market:
    """Instruments that share a calendar."""

    calendar: Calendar | None
    members: list[int]
    closing: dict[Timeframe, ClosingTimes]
