"""Bars into files: CSV, CSV.gz or Parquet, batch by batch, whole or not at all.

The layout is `ts,open,high,low,close,volume,closed_at`: what is read back is what was written, to
the bit. No cell is free text, so none can be taken for a formula.
"""

import gzip
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

import numpy as np

from domain.bars import BarSeries, IntArray
from domain.errors import PlumblineError

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = ("ts", "open", "high", "low", "close", "volume", "closed_at")
ENDINGS = (".csv", ".csv.gz", ".parquet")


class BadExportError(PlumblineError):
    """The file cannot be written."""

    code = "bad_export"


def write_bars(path: Path, batches: Iterator[BarSeries]) -> int:
    """Write the bars in their order; return how many. The file appears when it is complete."""
    write = _write_parquet if path.name.endswith(".parquet") else _write_csv
    if not path.name.endswith(ENDINGS):
        raise BadExportError(f"{path}: end the name with {', '.join(ENDINGS)}")
    try:
        with _appearing(path) as file:
            return write(file, batches, is_gzip=path.name.endswith(".gz"))
    except OSError as error:
        raise BadExportError(f"{path}: {error.strerror or error}") from None


@contextmanager
def _appearing(path: Path) -> Iterator[Any]:
    """Give a file to write beside `path`; it takes the name when all went well."""
    if path.is_dir():
        raise BadExportError(f"{path}: a folder, not a file")
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
    Path(file.name).chmod(0o644)
    Path(file.name).replace(path)


def _write_csv(file: Any, batches: Iterator[BarSeries], *, is_gzip: bool) -> int:
    # Heavy (0.3 s, 60 MB): only processes that write files load it.
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import csv  # noqa: PLC0415

    target = gzip.GzipFile("", "wb", 6, file, mtime=0) if is_gzip else file
    target.write((",".join(COLUMNS) + "\n").encode())
    options = csv.WriteOptions(include_header=False, quoting_style="none")
    rows = 0
    for bars in batches:
        times = [pa.array(_texts(one)) for one in (bars.opened_at, bars.closed_at)]
        csv.write_csv(_table(bars, *times), target, options)
        rows += len(bars)
    if is_gzip:
        target.close()
    return rows


def _write_parquet(file: Any, batches: Iterator[BarSeries], *, is_gzip: bool) -> int:
    import pyarrow as pa  # noqa: PLC0415 - see `_write_csv`
    import pyarrow.parquet as pq  # noqa: PLC0415

    instant = pa.timestamp("us", tz="UTC")
    types = {"ts": instant, "closed_at": instant}
    schema = pa.schema([(name, types.get(name, pa.float64())) for name in COLUMNS])
    rows = 0
    with pq.ParquetWriter(file, schema) as writer:
        for bars in batches:
            times = [pa.array(one).cast(instant) for one in (bars.opened_at, bars.closed_at)]
            writer.write_table(_table(bars, *times))
            rows += len(bars)
    return rows


def _table(bars: BarSeries, opened_at: "pa.Array", closed_at: "pa.Array") -> "pa.Table":
    import pyarrow as pa  # noqa: PLC0415 - see `_write_csv`

    prices = [pa.array(one) for one in (bars.open, bars.high, bars.low, bars.close)]
    volume = pa.array(bars.volume, from_pandas=True)  # NaN: not measured, so empty
    return pa.table([opened_at, *prices, volume, closed_at], names=list(COLUMNS))


def _texts(micros: IntArray) -> Any:
    """Return ISO texts, to the second where all instants are whole seconds."""
    instants = micros.astype("datetime64[us]")
    if not (micros % 1_000_000).any():
        instants = instants.astype("datetime64[s]")
    return np.char.add(instants.astype(str), "Z")
