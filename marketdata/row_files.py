"""Files of rows: CSV, CSV.gz and Parquet, block by block, with a reason for every row refused.

Whole blocks are converted by pyarrow; a block it cannot convert, or that holds anything unusual,
is read row by row. Both ways give the same values, bit by bit, and the same refusals.
"""

import gzip
import stat
import zlib
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from zoneinfo import ZoneInfo

import numpy as np

from marketdata.data_quality import Reason
from marketdata.row_layouts import (
    BadFileError,
    Cell,
    Column,
    Columns,
    Kind,
    Layout,
    PlacedLayout,
    RawRows,
    place,
)
from marketdata.row_values import (
    EARLIEST,
    LATEST,
    fields,
    parse_lines,
    parse_values,
    text_or_reason,
)

if TYPE_CHECKING:
    import pyarrow as pa

# About 60,000 bars: the work per block no longer counts, and memory stays below 50 MB.
BLOCK_BYTES = 4 << 20
# What is read row by row when one row of a block is odd: about 1,000 rows.
PIECE_BYTES = 64 << 10
BATCH_ROWS = 50_000
LONGEST_LINE = 10_000
GZIP_MARK = b"\x1f\x8b"
PARQUET_MARK = b"PAR1"
NEW_LINE = ord("\n")
# Quoted cells, old line ends and NULs are left to the careful way.
ONLY_SLOWLY = (b'"', b"\r", b"\x00")
WORDS = frozenset({Kind.TEXT, Kind.CODE})
MAY_BE_NULL = WORDS | {Kind.NUMBER}
HEXADECIMAL = (b"0x", b"0X")  # pyarrow would read it as a whole number


def read_rows(
    path: Path, layouts: Sequence[Layout], *, zone: ZoneInfo | None = None
) -> Iterator[RawRows]:
    """Yield the rows of the file in its order; a broken file raises `BadFileError`.

    `zone` is the place whose wall clock times without a zone show; without it they are refused.
    """
    refuse_no_file(path)
    try:
        with path.open("rb") as file:
            mark = file.read(4)
        if not mark:
            raise BadFileError(f"{path}: the file is empty")
        if mark == PARQUET_MARK:
            yield from _read_parquet(path, layouts, zone)
        elif mark.startswith(GZIP_MARK):
            with gzip.open(path, "rb") as unpacked:
                yield from _read_csv(path, unpacked, layouts, zone)
        else:
            with path.open("rb") as file:
                yield from _read_csv(path, file, layouts, zone)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadFileError(f"{path}: the gzip data is broken or cut off: {error}") from None
    except UnicodeDecodeError:
        raise BadFileError(f"{path}: neither CSV text (UTF-8) nor Parquet") from None
    except OSError as error:
        raise BadFileError(f"{path}: {error.strerror or error}") from None


def refuse_no_file(path: Path) -> None:
    """Raise unless the path is a plain file: a device or a pipe may never end."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        raise BadFileError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a device, pipe or socket"
        raise BadFileError(f"{path}: {kind}, not a file")


def _read_csv(
    path: Path, file: Any, layouts: Sequence[Layout], zone: ZoneInfo | None
) -> Iterator[RawRows]:
    blocks = _blocks(path, file)
    first = next(blocks, b"").removeprefix(b"\xef\xbb\xbf")
    ends = [at for at in (first.find(b"\n"), first.find(b"\r")) if at >= 0]
    header = first[: min(ends, default=len(first))]
    layout = place(layouts, fields(header.decode()), named=str(path))
    body = first[len(header) :]
    body = body[2:] if body.startswith(b"\r\n") else body[1:]
    number, has_rows = 2, False
    while True:
        for rows, lines in _parse_block(path, layout, body, number, zone):
            has_rows |= len(rows) > 0
            if len(rows):
                yield rows
            number += lines
        following = next(blocks, None)
        if following is None:
            break
        body = following
    if not has_rows:
        raise BadFileError(f"{path}: a header and no rows")


def _blocks(path: Path, file: BinaryIO) -> Iterator[bytes]:
    """Yield the bytes in blocks that end where a line ends."""
    rest = b""
    while data := file.read(BLOCK_BYTES):
        data = rest + data
        cut = data.rfind(b"\n") + 1 or data.rfind(b"\r") + 1
        if len(data) - cut > LONGEST_LINE and len(data) >= BLOCK_BYTES:
            raise BadFileError(f"{path}: a line is longer than any row")
        if cut:
            yield data[:cut]
        rest = data[cut:]
    if rest:
        yield rest


def _parse_block(
    path: Path, layout: PlacedLayout, block: bytes, number: int, zone: ZoneInfo | None
) -> Iterator[tuple[RawRows, int]]:
    """Yield the rows of a block and how many lines they took, in one or in many pieces."""
    block = block.replace(b"\r\n", b"\n")
    if (rows := parse_fast(layout, block, number, zone)) is not None:
        yield rows, len(rows)
        return
    for piece in _pieces(block):
        fast = parse_fast(layout, piece, number, zone)
        found = (fast, len(fast)) if fast else parse_slow(path, layout, piece, number, zone)
        yield found
        number += found[1]


def _pieces(block: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(block):
        end = block.find(b"\n", start + PIECE_BYTES) + 1 or len(block)
        yield block[start:end]
        start = end


def parse_slow(
    path: Path, layout: PlacedLayout, block: bytes, number: int, zone: ZoneInfo | None
) -> tuple[RawRows, int]:
    """Return the rows of a block read one by one, and how many lines it has."""
    texts = block.decode().replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if not texts[-1]:
        texts.pop()
    if max(map(len, texts), default=0) > LONGEST_LINE:
        raise BadFileError(f"{path}: a line after line {number - 1} is longer than any row")
    filled = [at for at, text in enumerate(texts) if text.strip()]
    line = np.array(filled, dtype=np.int64) + number
    return parse_lines(layout, line, [texts[at] for at in filled], zone), len(texts)


def parse_fast(
    layout: PlacedLayout, block: bytes, number: int, zone: ZoneInfo | None
) -> RawRows | None:
    """Return the rows of a block converted whole; None when the careful way must look at it."""
    if not block or not block.isascii() or any(mark in block for mark in ONLY_SLOWLY):
        return None
    if layout.has_kind(Kind.WHOLE) and any(mark in block for mark in HEXADECIMAL):
        return None
    ends = np.flatnonzero(np.frombuffer(block, dtype=np.uint8) == NEW_LINE)
    if np.diff(ends, prepend=-1, append=len(block)).max() > LONGEST_LINE:
        return None
    table = _arrow_table(layout, block, zone)
    lines = len(ends) + (not block.endswith(b"\n"))
    if table is None or table.num_rows != lines:  # a blank line
        return None
    columns: Columns = {}
    for at, column in enumerate(layout.columns):
        values = _from_arrow(column, table.column(at), zone)
        if values is None:
            return None
        columns[column.name] = values

    @cache
    def texts() -> list[str]:
        return block.decode("ascii").split("\n")

    line = np.arange(number, number + lines, dtype=np.int64)
    reasons = np.zeros(lines, dtype=np.uint8)
    return RawRows(layout, line, columns, reasons, lambda at: texts()[at])


def _arrow_table(layout: PlacedLayout, block: bytes, zone: ZoneInfo | None) -> "pa.Table | None":
    # Heavy (0.3 s, 60 MB): only processes that read files load it.
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import csv  # noqa: PLC0415

    names = [f"c{at}" for at in range(layout.width)]
    wanted = [names[at] for at in layout.places]
    types = {
        Kind.INSTANT: pa.timestamp("us", tz=None if zone else "UTC"),
        Kind.DATE: pa.date32(),
        Kind.NUMBER: pa.float64(),
        Kind.WHOLE: pa.int64(),
        Kind.TEXT: pa.dictionary(pa.int32(), pa.string()),
        Kind.CODE: pa.dictionary(pa.int32(), pa.string()),
    }
    try:
        return csv.read_csv(
            pa.BufferReader(block),
            csv.ReadOptions(column_names=names, block_size=len(block) + 1),
            csv.ParseOptions(quote_char=False),
            csv.ConvertOptions(
                column_types={
                    name: types[column.kind]
                    for name, column in zip(wanted, layout.columns, strict=True)
                },
                include_columns=wanted,
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
    except pa.ArrowException:
        return None


def _from_arrow(column: Column, given: Any, zone: ZoneInfo | None) -> Any:
    """Return the array of a column, None where a value needs the careful way."""
    import pyarrow as pa  # noqa: PLC0415 - see `_arrow_table`
    import pyarrow.compute as pc  # noqa: PLC0415

    if given is None:
        return None
    if given.null_count and (column.cell is Cell.MUST or column.kind not in MAY_BE_NULL):
        return None
    try:
        values = given.combine_chunks() if isinstance(given, pa.ChunkedArray) else given
        if column.kind is Kind.INSTANT:
            if zone is not None:
                values = pc.assume_timezone(values, zone.key)
            return _within(values.cast(pa.int64()).to_numpy())
        if column.kind is Kind.DATE:
            days = values.cast(pa.int32()).to_numpy()
            return _within(days.astype(np.int64) * 86_400_000_000)
        if column.kind in WORDS:
            return _words(column, values)
    except pa.ArrowException:  # a wall clock time that was shown twice or never
        return None
    found = values.to_numpy(zero_copy_only=False)
    if column.kind is Kind.NUMBER and np.isinf(found).any():
        return None
    if column.kind is Kind.NUMBER and np.count_nonzero(np.isnan(found)) != given.null_count:
        return None
    return found


def _within(micros: Any) -> Any:
    is_within = len(micros) == 0 or (micros.min() >= EARLIEST and micros.max() <= LATEST)
    return micros if is_within else None


def _words(column: Column, values: Any) -> Any:
    """Return the texts or codes of a dictionary column; its few words are looked at once."""
    words = [str(word).strip() for word in values.dictionary.to_pylist()]
    places = values.indices.fill_null(len(words)).to_numpy()
    if column.kind is Kind.CODE:
        known = dict(column.codes)
        codes = [known.get(word) for word in words]
        return None if None in codes else np.array([*codes, 0], dtype=np.int8)[places]
    if any(isinstance(text_or_reason(word, column.longest), Reason) for word in words):
        return None
    found = np.array([*words, ""], dtype=object)
    return found[places]


def _read_parquet(
    path: Path, layouts: Sequence[Layout], zone: ZoneInfo | None
) -> Iterator[RawRows]:
    # Heavy, and needed for this one kind of file.
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    row = 1
    try:
        with pq.ParquetFile(path) as file:
            layout = place(layouts, file.schema_arrow.names, named=str(path))
            for batch in file.iter_batches(batch_size=BATCH_ROWS):
                if batch.num_rows:
                    yield _parse_batch(layout, batch, row, zone)
                row += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadFileError(f"{path}: the Parquet data is broken: {reason[:200]}") from None
    if row == 1:
        raise BadFileError(f"{path}: no rows")


def _parse_batch(
    layout: PlacedLayout, batch: "pa.RecordBatch", row: int, zone: ZoneInfo | None
) -> RawRows:
    """Return the rows of a batch: converted whole, or as texts on the careful way."""
    reasons = np.zeros(batch.num_rows, dtype=np.uint8)
    found = [
        _from_arrow(column, _as_wanted(column, batch.column(at), zone), zone)
        for column, at in zip(layout.columns, layout.places, strict=True)
    ]
    if any(values is None for values in found):
        cells = [
            _cells(column, batch.column(at))
            for column, at in zip(layout.columns, layout.places, strict=True)
        ]
        columns = parse_values(layout, cells, reasons, zone)
    else:
        names = [column.name for column in layout.columns]
        columns = dict(zip(names, found, strict=True))
    line = np.arange(row, row + batch.num_rows, dtype=np.int64)
    return RawRows(layout, line, columns, reasons, lambda at: _row_text(layout, batch, at))


def _as_wanted(column: Column, given: "pa.Array", zone: ZoneInfo | None) -> "pa.Array | None":
    """Return the array in the type `_from_arrow` takes; None when a value would bend on the way."""
    import pyarrow as pa  # noqa: PLC0415 - see `_arrow_table`

    kind, found = column.kind, given.type
    try:
        if kind is Kind.INSTANT and pa.types.is_timestamp(found) and (zone is None or not found.tz):
            return given.cast(pa.timestamp("us", tz=found.tz)) if found.tz or zone else None
        if kind is Kind.DATE and pa.types.is_date32(found):
            return given
        if kind is Kind.NUMBER and (pa.types.is_floating(found) or pa.types.is_integer(found)):
            return given.cast(pa.float64())
        if kind is Kind.WHOLE and pa.types.is_integer(found):
            return given.cast(pa.int64())
        if kind in WORDS and (pa.types.is_string(found) or pa.types.is_large_string(found)):
            return given.dictionary_encode()
    except pa.ArrowException:
        return None
    return None


def _cells(column: Column, given: "pa.Array") -> list[str]:
    """Return the values as the texts a CSV file would hold."""
    return [_cell(column, value) for value in given.to_pylist()]


def _cell(column: Column, value: Any) -> str:
    if value is None:
        return ""
    if column.kind is Kind.DATE and isinstance(value, datetime):
        value = value.date()
    return value.isoformat() if isinstance(value, date) else str(value)


def _row_text(layout: PlacedLayout, batch: "pa.RecordBatch", row: int) -> str:
    return ",".join(
        _cell(column, batch.column(at)[row].as_py())
        for column, at in zip(layout.columns, layout.places, strict=True)
    )
