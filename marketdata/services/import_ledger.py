"""The record of one file on its way in: how many rows, which were refused, and why."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from domain.bars import FloatArray, IntArray
from marketdata.data_quality import Reason, ReasonArray, decimals_of
from marketdata.models import DataImport, Instrument
from marketdata.row_files import refuse_no_file
from marketdata.row_layouts import BadFileError
from marketdata.services.insert_rows import insert_rows
from marketdata.services.name_instruments import PriceGrid

Progress = Callable[[int], None]
Mask = NDArray[np.bool_]

LONGEST_TEXT = 400
# A file whose first so many rows are all refused is of another kind: 10 GB need not be read.
HOPELESS_ROWS = 100_000


class ReadRows(Protocol):
    """Rows of a file, in blocks."""

    @property
    def line(self) -> IntArray:
        """Return where each row stands in the file."""

    @property
    def text(self) -> Callable[[int], str]:
        """Return what gives a row's text back."""

    def __len__(self) -> int:
        """Return how many there are."""


class ImportLedger:
    """One `DataImport` and its `RejectedRow`s, written as the file is read."""

    def __init__(self, *, path: Path, kind: str, timeframe: str = "") -> None:
        self.path = path
        self.record = DataImport.objects.create(
            kind=kind, timeframe=timeframe, source=path.name[:200], sha256=sha256_of(path)
        )
        self.rows = 0
        self.reasons: Counter[Reason] = Counter()
        self.example = ""

    @property
    def rejected(self) -> int:
        """Return how many rows were refused."""
        return sum(self.reasons.values())

    def take(self, rows: ReadRows, reasons: ReasonArray) -> Mask:
        """Count the rows in, quarantine the refused ones; return which are fine."""
        refused = np.flatnonzero(reasons).tolist()
        self._quarantine(
            [(int(rows.line[at]), rows.text(at), Reason(int(reasons[at]))) for at in refused]
        )
        self.rows += len(rows)
        if self.rows >= HOPELESS_ROWS:
            self.refuse_hopeless()
        fine: Mask = reasons == 0
        return fine

    def take_back(self, lines: Sequence[int], blocks: Iterator[ReadRows]) -> None:
        """Quarantine lines that were fine by themselves but differ from an earlier row."""
        if not lines:
            return
        wanted = np.array(lines, dtype=np.int64)
        for rows in blocks:
            found = np.flatnonzero(np.isin(rows.line, wanted)).tolist()
            self._quarantine(
                [
                    (int(rows.line[at]), rows.text(at), Reason.DIFFERS_FROM_EARLIER_ROW)
                    for at in found
                ]
            )

    def refuse_hopeless(self) -> None:
        """Raise when no row was good."""
        if self.rejected == self.rows:
            raise BadFileError(
                f"{self.path}: every one of {self.rows:,} rows was refused ({self.example});"
                " nothing was stored"
            )

    def close(
        self,
        *,
        instrument: Instrument | None,
        inserted: int,
        unchanged: int,
        corrected: int = 0,
        report: dict[str, Any],
    ) -> None:
        """Write the totals."""
        self.record.instrument = instrument
        self.record.rows = self.rows
        self.record.inserted = inserted
        self.record.unchanged = unchanged
        self.record.corrected = corrected
        self.record.rejected = self.rejected
        self.record.report = report
        self.record.save()

    def reasons_in_words(self) -> dict[str, int]:
        """Return how often each reason was given."""
        return {reason.text: count for reason, count in sorted(self.reasons.items())}

    def _quarantine(self, rows: Sequence[tuple[int, str, Reason]]) -> None:
        """Keep refused rows: line, text, reason."""
        self.reasons.update(reason for _, _, reason in rows)
        if rows and not self.example:
            self.example = f"line {rows[0][0]}: {rows[0][2].text}"
        insert_rows(
            table="marketdata_rejectedrow",
            columns=(
                ("data_import_id", "bigint"),
                ("line", "bigint"),
                ("text", "varchar(400)"),
                ("reason", "varchar(120)"),
            ),
            rows=[
                (self.record.pk, line, text.replace("\x00", "�")[:LONGEST_TEXT], reason.text)
                for line, text, reason in rows
            ],
        )


class SeenValues:
    """What the accepted rows of a file show: their span, decimals, whether sizes are fractions."""

    def __init__(self) -> None:
        self.first = int(np.iinfo(np.int64).max)
        self.last = int(np.iinfo(np.int64).min)
        self.decimals = 0
        self.has_fractions = False
        self.went_back = 0

    def take(self, at: IntArray, prices: Sequence[FloatArray], sizes: Sequence[FloatArray]) -> None:
        """Count in the accepted rows of one block."""
        if len(at) == 0:
            return
        self.went_back += int((np.diff(at) < 0).sum()) + int(at[0] < self.last)
        self.first = min(self.first, int(at.min()))
        self.last = max(self.last, int(at.max()))
        self.decimals = decimals_of(prices, at_least=self.decimals)
        if not self.has_fractions:
            self.has_fractions = any((one[~np.isnan(one)] % 1 != 0).any() for one in sizes)

    @property
    def grid(self) -> PriceGrid:
        """Return what the rows show of the instrument's grid."""
        return PriceGrid(self.decimals, self.has_fractions)


def sha256_of(path: Path) -> str:
    """Return the file's digest; what is no file is refused before it is read."""
    refuse_no_file(path)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadFileError(f"{path}: {error.strerror or error}") from None


def iso(micros: int) -> str:
    """Return an instant in words of the answer, to the second."""
    return f"{np.datetime64(micros, 'us').astype('datetime64[s]')}Z"
