"""Files of bars: CSV, CSV.gz and Parquet in the `ts,...` and `date,...` layouts, chunk by chunk.

Needed columns: `ts` (opening instant, with its zone) or `date` (session date), open, high, low,
close. `volume` may be missing (an index) or empty (not measured); `split_factor` is read too;
every other column is ignored.
"""

import csv
import gzip
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from domain.bars import BarSeries, FloatArray, IntArray, Timeframe, to_micros
from domain.errors import PlumblineError
from marketdata.data_quality import MICROS, Reason, ReasonArray

if TYPE_CHECKING:
    import pyarrow as pa

CHUNK_ROWS = 50_000
LONGEST_LINE = 10_000
TIME_COLUMNS = ("ts", "date")
PRICE_COLUMNS = ("open", "high", "low", "close")
VOLUME = "volume"
SPLIT_FACTOR = "split_factor"
NEEDED = frozenset((*TIME_COLUMNS, *PRICE_COLUMNS, VOLUME, SPLIT_FACTOR))
GZIP_MARK = b"\x1f\x8b"
PARQUET_MARK = b"PAR1"


class BadBarFileError(PlumblineError):
    """The file cannot be read as bars; nothing of it was stored."""

    code = "bad_bar_file"


@dataclass(frozen=True)
class RawBars:
    """Rows as read: where `reasons` is not 0 the values mean nothing. NaN volume: not measured."""

    line: IntArray
    bars: BarSeries
    split_factor: FloatArray | None
    reasons: ReasonArray
    text: Callable[[int], str]

    def __len__(self) -> int:
        return len(self.line)


@dataclass(frozen=True)
class Layout:
    """Which column stands where: `time` is ts or date, `places` name -> position."""

    time: str
    places: dict[str, int]
    width: int

    @property
    def is_session_dates(self) -> bool:
        """Tell whether rows carry a session date instead of an instant."""
        return self.time == "date"


def read_bar_file(
    path: Path, *, timeframe: Timeframe, chunk_rows: int = CHUNK_ROWS
) -> Iterator[RawBars]:
    """Yield the rows of the file in its order; a broken file raises `BadBarFileError`."""
    try:
        with path.open("rb") as file:
            mark = file.read(4)
    except OSError as error:
        raise BadBarFileError(f"{path}: {error.strerror or error}") from None
    if not mark:
        raise BadBarFileError(f"{path}: the file is empty")
    if mark == PARQUET_MARK:
        yield from _read_parquet(path, timeframe, chunk_rows)
    else:
        yield from _read_csv(path, timeframe, chunk_rows, is_gzip=mark.startswith(GZIP_MARK))


def layout_of(path: Path, names: Sequence[str], timeframe: Timeframe) -> Layout:
    """Return where the needed columns stand; refuses a header that lacks one."""
    clean = [name.strip().lower() for name in names]
    places = {name: clean.index(name) for name in dict.fromkeys(clean) if name in NEEDED}
    time = next((name for name in TIME_COLUMNS if name in places), "")
    missing = [name for name in PRICE_COLUMNS if name not in places]
    if not time or missing:
        lacking = ", ".join((["ts or date"] if not time else []) + missing)
        found = ",".join(names)[:120]
        raise BadBarFileError(f"{path}: columns missing: {lacking}; the file has: {found}")
    if time == "date" and timeframe.seconds < Timeframe.D1.seconds:
        raise BadBarFileError(
            f"{path}: rows carry session dates, so they are daily bars, not {timeframe.value}"
        )
    return Layout(time, places, len(clean))


def _read_csv(
    path: Path, timeframe: Timeframe, chunk_rows: int, *, is_gzip: bool
) -> Iterator[RawBars]:
    opener: Any = gzip.open if is_gzip else open
    try:
        with opener(path, "rt", encoding="utf-8-sig", newline=None) as file:
            yield from _csv_chunks(path, file, timeframe, chunk_rows)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadBarFileError(f"{path}: the gzip data is broken or cut off: {error}") from None
    except UnicodeDecodeError:
        raise BadBarFileError(f"{path}: neither CSV text (UTF-8) nor Parquet") from None
    except OSError as error:
        raise BadBarFileError(f"{path}: {error.strerror or error}") from None


def _csv_chunks(
    path: Path, file: TextIO, timeframe: Timeframe, chunk_rows: int
) -> Iterator[RawBars]:
    lines = iter(lambda: file.readline(LONGEST_LINE + 1), "")
    layout = layout_of(path, _fields(next(lines, "").rstrip("\n")), timeframe)
    number, has_rows = 2, False
    while chunk := list(islice(lines, chunk_rows)):
        if max(map(len, chunk)) > LONGEST_LINE:
            raise BadBarFileError(f"{path}: a line after line {number - 1} is longer than any bar")
        texts = [line.rstrip("\n") for line in chunk]
        numbers = [at for at, text in enumerate(texts) if text.strip()]
        if numbers:
            has_rows = True
            line = np.array(numbers, dtype=np.int64) + number
            yield _parse_lines(layout, timeframe, line, [texts[at] for at in numbers])
        number += len(chunk)
    if not has_rows:
        raise BadBarFileError(f"{path}: a header and no rows")


def _fields(line: str) -> list[str]:
    if '"' not in line:
        return line.split(",")
    try:
        return next(csv.reader([line]), [])
    except csv.Error:
        return []


def _parse_lines(layout: Layout, timeframe: Timeframe, line: IntArray, texts: list[str]) -> RawBars:
    reasons = np.zeros(len(texts), dtype=np.uint8)
    rows = [_fields(text) for text in texts]
    for at, row in enumerate(rows):
        if len(row) != layout.width:
            reasons[at] = Reason.WRONG_COLUMN_COUNT
            rows[at] = [""] * layout.width
    columns = list(zip(*rows, strict=True))
    opened_at = _times(columns[layout.places[layout.time]], reasons, layout)
    prices = [_floats(columns[layout.places[name]], reasons) for name in PRICE_COLUMNS]
    volume = _optional(columns, layout, VOLUME, reasons)
    factor = _optional(columns, layout, SPLIT_FACTOR, None)
    return RawBars(
        line=line,
        bars=_series(timeframe, opened_at, prices, volume),
        split_factor=factor,
        reasons=reasons,
        text=texts.__getitem__,
    )


def _series(
    timeframe: Timeframe, opened_at: IntArray, prices: list[FloatArray], volume: FloatArray | None
) -> BarSeries:
    if volume is None:
        volume = np.full(len(opened_at), np.nan)
    open_, high, low, close = prices
    closed_at = opened_at + timeframe.seconds * MICROS
    return BarSeries(opened_at, closed_at, open_, high, low, close, volume)


def _optional(
    columns: Sequence[Sequence[str]], layout: Layout, name: str, reasons: ReasonArray | None
) -> FloatArray | None:
    """Return a column that may be missing; its empty cells are NaN without a reason."""
    if name not in layout.places:
        return None
    cells = columns[layout.places[name]]
    marks = np.zeros(len(cells), dtype=np.uint8) if reasons is None else reasons
    is_empty = np.array([not cell.strip() for cell in cells], dtype=np.bool_)
    if not is_empty.any():
        return _floats(cells, marks)
    values = np.full(len(cells), np.nan)
    filled = np.flatnonzero(~is_empty)
    found = marks[filled]
    values[filled] = _floats([cells[at] for at in filled.tolist()], found)
    marks[filled] = found
    return values


def _floats(cells: Sequence[str], reasons: ReasonArray) -> FloatArray:
    """Return the numbers, 0.0 and a reason where a cell holds none."""
    try:
        values = np.fromiter(map(float, cells), np.float64, len(cells))
        if not any("_" in cell for cell in cells):
            return _finite(values, reasons)
    except ValueError:
        pass
    return _finite(np.array([_float(at, cells, reasons) for at in range(len(cells))]), reasons)


def _float(at: int, cells: Sequence[str], reasons: ReasonArray) -> float:
    try:
        if "_" not in cells[at]:  # float() would read 1_000
            return float(cells[at])
    except ValueError:
        pass
    reasons[at] = reasons[at] or Reason.NO_NUMBER
    return 0.0


def _finite(values: FloatArray, reasons: ReasonArray) -> FloatArray:
    reasons[~np.isfinite(values) & (reasons == 0)] = Reason.NOT_FINITE
    return values


def _times(cells: Sequence[str], reasons: ReasonArray, layout: Layout) -> IntArray:
    """Return opening instants in microseconds, 0 and a reason where a cell holds none."""
    quick = _quick_times(cells, layout)
    if quick is not None:
        return quick
    read = _session_date if layout.is_session_dates else _instant
    micros = np.zeros(len(cells), dtype=np.int64)
    for at, cell in enumerate(cells):
        found = read(cell.strip())
        if isinstance(found, Reason):
            reasons[at] = reasons[at] or found
        else:
            micros[at] = found
    return micros


def _quick_times(cells: Sequence[str], layout: Layout) -> IntArray | None:
    """Return the instants when every cell has the usual form, 10 times faster; else None.

    The lengths keep out what numpy alone would take: "now", a year, a time without zone.
    """
    length = 10 if layout.is_session_dates else 20
    if any(len(cell) != length for cell in cells):
        return None
    if not layout.is_session_dates:
        if any(cell[19] != "Z" for cell in cells):
            return None
        cells = [cell[:19] for cell in cells]
    try:
        return np.array(cells, dtype="datetime64[us]").astype(np.int64)
    except ValueError:
        return None


def _session_date(cell: str) -> int | Reason:
    try:
        day = date.fromisoformat(cell)
    except ValueError:
        return Reason.TIME_UNREADABLE
    return to_micros(datetime(day.year, day.month, day.day, tzinfo=UTC))


def _instant(cell: str) -> int | Reason:
    try:
        instant = datetime.fromisoformat(cell)
        return Reason.TIME_WITHOUT_ZONE if instant.tzinfo is None else to_micros(instant)
    except (ValueError, OverflowError):
        return Reason.TIME_UNREADABLE


def _read_parquet(path: Path, timeframe: Timeframe, chunk_rows: int) -> Iterator[RawBars]:
    # Heavy (0.3 s, 60 MB), and needed for this one kind of file.
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            layout = layout_of(path, names, timeframe)
            row = 1
            for batch in file.iter_batches(batch_size=chunk_rows):
                if batch.num_rows:
                    yield _parse_batch(layout, timeframe, row, batch)
                row += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadBarFileError(f"{path}: the Parquet data is broken: {reason[:200]}") from None
    if row == 1:
        raise BadBarFileError(f"{path}: no rows")


def _parse_batch(
    layout: Layout, timeframe: Timeframe, first_row: int, batch: "pa.RecordBatch"
) -> RawBars:
    reasons = np.zeros(batch.num_rows, dtype=np.uint8)
    columns = {name: batch.column(place).to_pylist() for name, place in layout.places.items()}
    opened_at = _parquet_times(columns[layout.time], reasons, layout)
    prices = [_parquet_floats(columns[name], reasons, may_lack=False) for name in PRICE_COLUMNS]
    volume = factor = None
    if VOLUME in columns:
        volume = _parquet_floats(columns[VOLUME], reasons, may_lack=True)
    if SPLIT_FACTOR in columns:
        ignored = np.zeros(batch.num_rows, dtype=np.uint8)
        factor = _parquet_floats(columns[SPLIT_FACTOR], ignored, may_lack=True)
    return RawBars(
        line=np.arange(first_row, first_row + batch.num_rows, dtype=np.int64),
        bars=_series(timeframe, opened_at, prices, volume),
        split_factor=factor,
        reasons=reasons,
        text=lambda at: ",".join(str(values[at]) for values in columns.values()),
    )


def _parquet_times(values: list[Any], reasons: ReasonArray, layout: Layout) -> IntArray:
    read = _session_date if layout.is_session_dates else _instant
    micros = np.zeros(len(values), dtype=np.int64)
    for at, value in enumerate(values):
        # Timestamps come as datetime, dates as date; their ISO text takes the CSV's way.
        if layout.is_session_dates and isinstance(value, datetime):
            found = _session_date(value.date().isoformat())
        else:
            found = read(value.isoformat() if isinstance(value, date) else str(value))
        if isinstance(found, Reason):
            reasons[at] = reasons[at] or found
        else:
            micros[at] = found
    return micros


def _parquet_floats(values: list[Any], reasons: ReasonArray, *, may_lack: bool) -> FloatArray:
    found = np.full(len(values), np.nan)
    for at, value in enumerate(values):
        if value is None and may_lack:
            continue
        try:
            found[at] = float(value)
        except (TypeError, ValueError):
            reasons[at] = reasons[at] or Reason.NO_NUMBER
            continue
        if not np.isfinite(found[at]):
            reasons[at] = reasons[at] or Reason.NOT_FINITE
    return found
