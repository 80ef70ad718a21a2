"""Kinds of files between bars: what a row becomes, what makes it unusable, how rows are numbered.

A kind is its layouts and two small functions; reading, numbering and refusing are the same for
all of them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from domain.bars import FloatArray, IntArray
from marketdata.data_quality import HIGHEST_PRICE, HIGHEST_VOLUME, Reason, Tests, first_reasons
from marketdata.row_files import read_rows
from marketdata.row_layouts import Columns, Layout, RawRows

UNREADABLE_TIMES = (
    Reason.WRONG_COLUMN_COUNT,
    Reason.TIME_UNREADABLE,
    Reason.TIME_WITHOUT_ZONE,
    Reason.TIME_AMBIGUOUS,
    Reason.TIME_SKIPPED,
    Reason.TIME_OUT_OF_RANGE,
)


@dataclass(frozen=True)
class FileKind:
    """One kind of file. `run` and `number`: rows of a run of equal `run` are counted in `number`.

    `is_ordered`: messages mean something in their order only, so time may not go back.
    """

    word: str
    layouts: tuple[Layout, ...]
    finish: Callable[[Columns], Columns]
    tests: Callable[[Columns], Tests]
    time: str = "ts"
    run: tuple[str, ...] = ("ts",)
    number: str = ""
    is_ordered: bool = False


class RunNumbers:
    """Numbers the rows of each run of equal keys from 0, from one block into the next."""

    def __init__(self) -> None:
        self._last: list[int] = []
        self._count = 0

    def of(self, keys: Sequence[IntArray]) -> IntArray:
        """Return the number of each row in its run; the arrays are the parts of the key."""
        rows = len(keys[0])
        if rows == 0:
            return np.array([], dtype=np.int64)
        is_first = np.ones(rows, dtype=np.bool_)
        is_first[1:] = np.any([key[1:] != key[:-1] for key in keys], axis=0)
        goes_on = [int(key[0]) for key in keys] == self._last
        is_first[0] = not goes_on
        places = np.arange(rows, dtype=np.int64)
        starts = np.where(is_first, places, -self._count)
        numbers: IntArray = places - np.maximum.accumulate(starts)
        self._last = [int(key[-1]) for key in keys]
        self._count = int(numbers[-1]) + 1
        return numbers


def read_kind(
    path: Path, kind: FileKind, *, now_micros: int, zone: ZoneInfo | None = None
) -> Iterator[RawRows]:
    """Yield the rows of a file of this kind in its order, finished and tested."""
    numbers, latest = RunNumbers(), np.iinfo(np.int64).min
    for rows in read_rows(path, kind.layouts, zone=zone):
        columns = kind.finish(rows.columns)
        at = columns[kind.time]
        if kind.number and kind.number not in columns:
            has_time = ~np.isin(rows.reasons, UNREADABLE_TIMES)
            found = np.zeros(len(rows), dtype=np.int64)
            found[has_time] = numbers.of([columns[name][has_time] for name in kind.run])
            columns[kind.number] = found
        tests = (*kind.tests(columns), (Reason.IN_THE_FUTURE, at > now_micros))
        reasons = np.where(rows.reasons != 0, rows.reasons, first_reasons(len(rows), tests))
        if kind.is_ordered:
            reached = np.maximum.accumulate(np.where(reasons == 0, at, latest))
            reasons[(reasons == 0) & (at < np.maximum(reached, latest))] = Reason.TIME_WENT_BACK
            latest = max(latest, int(reached[-1]))
        yield replace(rows, columns=columns, reasons=reasons)


def optional(columns: Columns, name: str) -> FloatArray:
    """Return a column of numbers, NaN when the file has none."""
    found = columns.get(name)
    return np.full(row_count(columns), np.nan) if found is None else found


def row_count(columns: Columns) -> int:
    """Return how many rows the columns have."""
    return len(next(iter(columns.values())))


def size_tests(*sizes: FloatArray) -> Tests:
    """Return what is wrong with sizes; NaN is not known and fine."""
    stacked = np.stack(sizes)
    return (
        (Reason.NEGATIVE_SIZE, (stacked < 0).any(axis=0)),
        (Reason.TOO_LARGE, (stacked >= HIGHEST_VOLUME).any(axis=0)),
    )


def price_tests(*prices: FloatArray, may_be_zero: bool = False) -> Tests:
    """Return what is wrong with prices; NaN is absent and fine."""
    stacked = np.stack(prices)
    low = (
        (Reason.PRICE_NEGATIVE, stacked < 0)
        if may_be_zero
        else (
            Reason.PRICE_NOT_POSITIVE,
            stacked <= 0,
        )
    )
    return (
        (low[0], low[1].any(axis=0)),
        (Reason.TOO_LARGE, (stacked >= HIGHEST_PRICE).any(axis=0)),
    )


def absent_when_zero(price: FloatArray) -> FloatArray:
    """Return the prices with NaN where a side is absent, which files write as 0."""
    return np.where(price == 0, np.nan, price)


def crossed(bid: FloatArray, ask: FloatArray) -> NDArray[np.bool_]:
    """Tell where the bid lies above the ask; an absent side crosses nothing."""
    with np.errstate(invalid="ignore"):
        found: NDArray[np.bool_] = bid > ask
    return found
