"""Stored bars of one series into a file, raw or adjusted, without holding them all in memory."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import connection

from domain.bars import BarSeries, Split, Timeframe, from_micros
from domain.errors import PlumblineError
from marketdata.adjustment import Adjustment, DividendFactor, adjusted
from marketdata.bar_exports import write_bars
from marketdata.models import Dividend, Instrument
from marketdata.models import Split as StoredSplit
from marketdata.packed_bars import PACK_SQL, unpacked
from marketdata.services.import_ledger import iso

BATCH_BARS = 20_000
NEXT_BARS = f"""
SELECT {PACK_SQL} FROM (
    SELECT opened_at, closed_at, open, high, low, close, volume FROM marketdata_bar
    WHERE instrument_id = %(instrument)s AND timeframe = %(timeframe)s
      AND opened_at > %(after)s AND opened_at < %(until)s
    ORDER BY opened_at LIMIT %(limit)s) b
"""
BEGINNING = datetime.fromisoformat("0001-01-02T00:00:00+00:00")
END = datetime.fromisoformat("9999-12-30T00:00:00+00:00")


class NothingToExportError(PlumblineError):
    """No bar lies in the span."""

    code = "nothing_to_export"


@dataclass(frozen=True, slots=True)
class ExportedBars:
    """What was written."""

    instrument: str
    timeframe: str
    adjust: str
    rows: int
    first: str
    last: str
    out: str
    splits: int
    dividends: int

    def as_json(self) -> dict[str, Any]:
        """Return the plain values."""
        return asdict(self)


def export_bars(
    *,
    instrument: Instrument,
    timeframe: Timeframe,
    out: Path,
    since: datetime | None = None,
    until: datetime | None = None,
    mode: Adjustment = Adjustment.RAW,
    progress: Callable[[int], None] = lambda _: None,
) -> ExportedBars:
    """Write the bars with `since <= opened_at < until` to `out`; return what was written.

    Adjusted prices are in today's units: every stored split (and dividend) is taken out.
    """
    splits = [Split(one.effective_at, float(one.ratio)) for one in _events(StoredSplit, instrument)]
    dividends = [
        DividendFactor(one.effective_at, float(one.factor)) for one in _events(Dividend, instrument)
    ]
    span: list[int] = []  # opening of the first and of the last bar

    def batches() -> Iterator[BarSeries]:
        rows = 0
        for bars in _stored(instrument.pk, timeframe, since or BEGINNING, until or END):
            rows += len(bars)
            span.extend(bars.opened_at[[0, -1]].tolist())
            progress(rows)
            yield adjusted(bars, splits, dividends, mode)
        if not rows:
            raise NothingToExportError(f"{instrument} has no {timeframe.value} bars in that span")

    rows = write_bars(out, batches())
    return ExportedBars(
        instrument=str(instrument),
        timeframe=timeframe.value,
        adjust=mode.value,
        rows=rows,
        first=iso(span[0]),
        last=iso(span[-1]),
        out=str(out),
        splits=len(splits) if mode is not Adjustment.RAW else 0,
        dividends=len(dividends) if mode is Adjustment.ALL else 0,
    )


def _events(model: Any, instrument: Instrument) -> Any:
    return model.objects.filter(instrument=instrument).order_by("effective_at")


def _stored(
    instrument_id: int, timeframe: Timeframe, since: datetime, until: datetime
) -> Iterator[BarSeries]:
    """Yield the stored bars in batches by rising time."""
    asked = {
        "instrument": instrument_id,
        "timeframe": timeframe.value,
        "after": since - timedelta(microseconds=1),
        "until": until,
        "limit": BATCH_BARS,
    }
    while True:
        with connection.cursor() as cursor:
            cursor.execute(NEXT_BARS, asked)
            (payload,) = cursor.fetchone()
        if payload is None:
            return
        (bars,) = unpacked([payload])
        yield bars
        asked["after"] = from_micros(int(bars.opened_at[-1]))
