"""The machine code of the bar builder. Importing it costs half a second: do so where it is used."""

from collections.abc import Callable
from typing import Any

from numba import njit

from marketdata.tick_frames import TickReason

UNKNOWN = int(TickReason.UNKNOWN_INSTRUMENT)
LATE = int(TickReason.LATE)


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function as machine code, kept on disk if any folder for that can be written."""
    try:
        kept: Callable[..., Any] = njit(cache=True, nogil=True)(function)
    except RuntimeError:  # numba found no place: a read-only install without a home
        kept = njit(nogil=True)(function)
    return kept


@compiled
def begin_bar(bar, tick, opened_at, length):  # type: ignore[no-untyped-def]
    """Make the bar of its first tick."""
    bar["instrument"] = tick["instrument"]
    bar["opened_at"] = opened_at
    bar["closed_at"] = opened_at + length
    bar["first_ts"] = tick["ts"]
    bar["last_ts"] = tick["ts"]
    bar["open"] = tick["price"]
    bar["high"] = tick["price"]
    bar["low"] = tick["price"]
    bar["close"] = tick["price"]
    bar["volume"] = tick["size"]
    bar["rest"] = 0.0
    bar["ticks"] = 1


@compiled
def extend_bar(bar, tick):  # type: ignore[no-untyped-def]
    """Take one more tick in: open and close go by (ts, arrival)."""
    ts, price = tick["ts"], tick["price"]
    if ts < bar["first_ts"]:
        bar["first_ts"] = ts
        bar["open"] = price
    if ts >= bar["last_ts"]:
        bar["last_ts"] = ts
        bar["close"] = price
    bar["high"] = max(bar["high"], price)
    bar["low"] = min(bar["low"], price)
    # What the sum loses to rounding is kept beside it (Knuth's two-sum): whatever the order of
    # the ticks, the volume is the same number.
    before, size = bar["volume"], tick["size"]
    total = before + size
    gained = total - before
    bar["volume"] = total
    bar["rest"] += (before - (total - gained)) + (size - gained)
    bar["ticks"] += 1


@compiled
def add_ticks(  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917 - compiled code takes arrays
    ticks, start, places, first_id, open_bars, newest, floor, length, tolerance, done, used, counts
):
    """Take ticks from `start` on; return (next tick, bars in `done`). Stops when `done` is full.

    A bar's slot is its number modulo 2: with a tolerance of at most one bar, the bar before the
    last one can get no tick any more when the next begins.
    """
    for at in range(start, len(ticks)):
        tick = ticks[at]
        offset = tick["instrument"] - first_id
        if offset < 0 or offset >= len(places) or places[offset] < 0:
            counts[UNKNOWN] += 1
            continue
        place, ts = places[offset], tick["ts"]
        last = newest[place]
        if ts < floor or ts < last["ts"] - tolerance:
            counts[LATE] += 1
            continue
        if not 0 <= ts - last["opened_at"] < length:  # a division is the dearest step here
            number = ts // length
            last["opened_at"], last["slot"] = number * length, number & 1
        bar = open_bars[place, last["slot"]]
        if bar["ticks"] > 0 and bar["opened_at"] == last["opened_at"]:
            extend_bar(bar, tick)
        else:
            if bar["ticks"] > 0:
                if used == len(done):
                    return at, used
                done[used] = bar
                used += 1
            begin_bar(bar, tick, last["opened_at"], length)
        if ts >= last["ts"]:
            last["ts"] = ts
            last["price"] = tick["price"]
    return len(ticks), used


@compiled
def close_bars(open_bars, until, done, used):  # type: ignore[no-untyped-def]
    """Move the open bars that close by `until` into `done`; return how many it holds now."""
    for place in range(open_bars.shape[0]):
        for slot in range(2):
            bar = open_bars[place, slot]
            if bar["ticks"] > 0 and bar["closed_at"] <= until:
                done[used] = bar
                used += 1
                bar["ticks"] = 0
    return used
