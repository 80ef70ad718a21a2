"""What a live stream lacks enters the gap ledger together with the seal that passes over it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from domain.bars import Timeframe
from marketdata.services.insert_rows import insert_rows

# No bar because nobody traded: the stream was there and would have heard.
QUIET = "stream"
Key = tuple[int, str, datetime]

COLUMNS = (
    ("instrument_id", "bigint"),
    ("timeframe", "varchar(3)"),
    ("first_opened_at", "timestamptz"),
    ("last_opened_at", "timestamptz"),
    ("bars", "bigint"),
    ("state", "text"),
    ("known_from", "timestamptz"),
    ("settled_to", "timestamptz"),
    ("settled_by", "text"),
    ("attempts", "integer"),
    ("last_error", "text"),
)
GIVEN = """
unnest(%s::bigint[], %s::text[], %s::timestamptz[], %s::interval[])
    AS n(instrument_id, timeframe, opened_at, length)
"""
KNOWN = f"""
SELECT n.instrument_id, n.timeframe, n.opened_at FROM {GIVEN} JOIN marketdata_datagap g
  ON g.instrument_id = n.instrument_id AND g.timeframe = n.timeframe
  AND n.opened_at BETWEEN g.first_opened_at AND g.last_opened_at
"""
GROW = f"""
UPDATE marketdata_datagap g SET last_opened_at = n.opened_at, bars = g.bars + 1
FROM {GIVEN}
WHERE g.instrument_id = n.instrument_id AND g.timeframe = n.timeframe
  AND g.state = 'absent' AND g.settled_by = '{QUIET}' AND g.last_opened_at = n.opened_at - n.length
RETURNING g.instrument_id, g.timeframe, g.last_opened_at
"""


@dataclass(frozen=True, slots=True)
class Lack:
    """A bar the calendar expects and the stream does not deliver.

    `is_unknown`: nobody could say whether there is one. Otherwise there was none to deliver.
    """

    instrument_id: int
    timeframe: Timeframe
    opened_at: datetime
    closed_at: datetime
    is_unknown: bool

    @property
    def key(self) -> Key:
        """Return what names the bar."""
        return (self.instrument_id, self.timeframe.value, self.opened_at)


def note_gaps(lacking: Sequence[Lack]) -> None:
    """Write the lacking bars into the ledger: open where unknown, else absent and blocking nothing.

    Absent bars in a row are one gap; open ones are merged when the ledger is next looked after.
    """
    written = _keys(KNOWN, lacking)
    quiet = [one for one in lacking if not one.is_unknown and one.key not in written]
    written |= _keys(GROW, quiet)
    rows = [
        (
            *(one.instrument_id, one.timeframe.value, one.opened_at, one.opened_at, 1),
            "open" if one.is_unknown else "absent",
            one.closed_at,
            None if one.is_unknown else one.opened_at,
            "" if one.is_unknown else QUIET,
            *(0, ""),
        )
        for one in lacking
        if one.key not in written
    ]
    insert_rows(
        table="marketdata_datagap",
        columns=COLUMNS,
        rows=rows,
        on_conflict="(instrument_id, timeframe, first_opened_at) DO NOTHING",
    )


def _keys(statement: str, lacking: Sequence[Lack]) -> set[Key]:
    if not lacking:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            statement,
            (
                [one.instrument_id for one in lacking],
                [one.timeframe.value for one in lacking],
                [one.opened_at for one in lacking],
                [one.timeframe.length for one in lacking],
            ),
        )
        return set(cursor.fetchall())
