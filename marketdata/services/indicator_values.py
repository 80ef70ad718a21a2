"""Indicator values of stored bars, into a CSV file or any other hands."""

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any

import numpy as np
from django.db import connection

from domain.bars import BarSeries, Timeframe, from_micros, period_start, to_micros
from domain.errors import PlumblineError
from marketdata.indicator_facts import column_names, lacking
from marketdata.indicators.blocks import BlockValues, block_values
from marketdata.indicators.extras import extras_of
from marketdata.indicators.fold import lead_length
from marketdata.indicators.registry import (
    BadIndicatorSetError,
    Indicator,
    indicator_set,
    load_indicators,
    parse_spec,
)
from marketdata.models import Instrument
from marketdata.packed_bars import PACK_SQL, unpacked
from marketdata.queries import bar_flows, holes_at, instrument_terms
from marketdata.services.export_bars import BEGINNING, END
from marketdata.services.import_ledger import iso

SERIES = "instrument_id = %(instrument)s AND timeframe = %(timeframe)s"
FIRST_BAR = f"""
SELECT min(opened_at) FROM marketdata_bar
WHERE {SERIES} AND opened_at >= %(since)s AND opened_at < %(until)s
"""
WITH_LEAD = f"""
SELECT {PACK_SQL} FROM (
    (SELECT opened_at, closed_at, open, high, low, close, volume FROM marketdata_bar
     WHERE {SERIES} AND opened_at < %(period)s ORDER BY opened_at DESC LIMIT %(lead)s)
    UNION ALL
    SELECT opened_at, closed_at, open, high, low, close, volume FROM marketdata_bar
    WHERE {SERIES} AND opened_at >= %(period)s AND opened_at < %(until)s) b
"""


class NoBarsError(PlumblineError):
    """No bar lies in the span."""

    code = "no_bars"


class NotWrittenError(PlumblineError):
    """The file cannot be written."""

    code = "not_written"


@dataclass(slots=True)
class Withheld:
    """How many of the rows read so far are empty: a missing bar lies in what they look back on."""

    rows: int = 0


@dataclass(frozen=True, slots=True)
class IndicatorTable:
    """What is about to be computed: the header, and the rows as they come.

    A row is the opening and closing instant and one value per column, None where there is none.
    """

    instrument: str
    timeframe: str
    columns: tuple[str, ...]
    not_available: dict[str, str]
    rows: Iterator[list[Any]]
    withheld: Withheld


@dataclass(frozen=True, slots=True)
class WrittenValues:
    """What was written."""

    instrument: str
    timeframe: str
    rows: int
    behind_holes: int
    first: str
    last: str
    csv: str
    columns: tuple[str, ...]
    not_available: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        """Return the plain values."""
        return asdict(self)


def indicator_table(
    *,
    instrument: Instrument,
    timeframe: Timeframe,
    names: Sequence[str] = (),
    since: datetime | None = None,
    until: datetime | None = None,
) -> IndicatorTable:
    """Return the values at the stored bars with `since <= opened_at < until`.

    Each is computed over the history before it as a score's is. Without names, all indicators
    that have what they read; what an instrument lacks is said in `not_available`.
    """
    specs = tuple(names or load_indicators())
    for spec in specs:
        if parse_spec(spec).timeframe is not None:
            raise BadIndicatorSetError(f"'{spec}': write the timeframe as --timeframe")
    chosen = indicator_set(specs)
    begin, series = _bars(instrument, timeframe, since or BEGINNING, until or END, chosen)
    flows = bar_flows(
        instrument_id=instrument.pk,
        timeframe=timeframe,
        since=from_micros(int(series.opened_at[0])),
        until=from_micros(int(series.closed_at[-1])),
    )
    has = {"has_volume": bool(np.isfinite(series.volume).any()), "has_flow": len(flows.net) > 0}
    missing = {
        spec: f"not available: {instrument} has no {what}"
        for spec, one in zip(specs, chosen, strict=True)
        if (what := lacking(one, **has))
    }
    if not names:
        kept = [spec for spec in specs if spec not in missing]
        specs, chosen = tuple(kept), indicator_set(kept)
    terms = instrument_terms([instrument.pk])[instrument.pk]
    blocks = block_values(
        series,
        timeframe,
        chosen,
        first=int(np.searchsorted(series.opened_at, to_micros(begin))),
        splits=terms.splits,
        holes=holes_at(
            instrument_id=instrument.pk,
            timeframe=timeframe,
            as_of=from_micros(int(series.closed_at[-1])),
        ),
        extras=extras_of(calendar_name=terms.calendar, timeframe=timeframe, flows=flows),
    )
    header = (
        column
        for spec, one in zip(specs, chosen, strict=True)
        for column in column_names(spec, one)
    )
    withheld = Withheld()
    return IndicatorTable(
        instrument=str(instrument),
        timeframe=timeframe.value,
        columns=("opened_at", "closed_at", *header),
        not_available=missing,
        rows=_rows(blocks, series, chosen, withheld),
        withheld=withheld,
    )


def _bars(
    instrument: Instrument,
    timeframe: Timeframe,
    since: datetime,
    until: datetime,
    indicators: Sequence[Indicator],
) -> tuple[datetime, BarSeries]:
    """Return the opening of the first bar asked for, and the bars with the lead before them."""
    asked: dict[str, Any] = {
        "instrument": instrument.pk,
        "timeframe": timeframe.value,
        "since": since,
        "until": until,
    }
    with connection.cursor() as cursor:
        cursor.execute(FIRST_BAR, asked)
        (begin,) = cursor.fetchone()
        if begin is None:
            raise NoBarsError(f"{instrument} has no {timeframe.value} bars in that span")
        lead = {"period": period_start(timeframe, begin), "lead": lead_length(indicators)}
        cursor.execute(WITH_LEAD, asked | lead)
        (payload,) = cursor.fetchone()
    return begin, unpacked([payload])[0]


def _rows(
    blocks: Iterator[BlockValues],
    series: BarSeries,
    indicators: Sequence[Indicator],
    withheld: Withheld,
) -> Iterator[list[Any]]:
    for block in blocks:
        withheld.rows += block.behind_holes
        bars = series[block.begin : block.end]
        columns: list[list[Any]] = [
            [iso(at) for at in bars.opened_at.tolist()],
            [iso(at) for at in bars.closed_at.tolist()],
        ]
        for indicator, outputs in zip(indicators, block.now, strict=True):
            shown = outputs if indicator.is_directed else outputs[:-1]
            values = shown.astype(object)
            values[np.isnan(shown)] = None
            columns += values.tolist()
        for row in zip(*columns, strict=True):
            yield list(row)


def write_table(
    table: IndicatorTable, path: Path, progress: Callable[[int], None] = lambda _: None
) -> WrittenValues:
    """Write the table as CSV; the file appears when it is whole. Return what was written."""
    with _appearing(path) as file:
        rows, first, last = write_rows(table, file, progress)
    return WrittenValues(
        instrument=table.instrument,
        timeframe=table.timeframe,
        rows=rows,
        behind_holes=table.withheld.rows,
        first=first,
        last=last,
        csv=str(path),
        columns=table.columns,
        not_available=table.not_available,
    )


def write_rows(
    table: IndicatorTable, file: Any, progress: Callable[[int], None] = lambda _: None
) -> tuple[int, str, str]:
    """Write header and rows to whatever has `write`; return the count, first and last opening."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(table.columns)
    rows, first, last = 0, "", ""
    for row in table.rows:
        writer.writerow(row)
        rows, first, last = rows + 1, first or row[0], row[0]
        progress(rows)
    return rows, first, last


@contextmanager
def _appearing(path: Path) -> Iterator[IO[str]]:
    """Give a text file beside `path` that takes its name when all went well."""
    try:
        with NamedTemporaryFile(
            "w", dir=path.parent, prefix=f".{path.name}.", delete=False, encoding="utf-8"
        ) as file:
            try:
                yield file
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
        Path(file.name).chmod(0o644)
        Path(file.name).replace(path)
    except OSError as error:
        raise NotWrittenError(f"{path}: {error.strerror or error}") from None
