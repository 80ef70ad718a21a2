"""Layouts of files of rows: which columns there are, what stands in them, what may be empty."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from numpy.typing import NDArray

from domain.bars import IntArray
from domain.errors import PlumblineError
from marketdata.data_quality import Reason, ReasonArray

Columns = dict[str, NDArray[Any]]


class BadFileError(PlumblineError):
    """The file cannot be read as what it should be; nothing of it was stored."""

    code = "bad_file"


class Kind(Enum):
    """What stands in a column, and the array it becomes."""

    INSTANT = "instant"  # int64, microseconds since 1970
    DATE = "date"  # int64, its midnight UTC in microseconds
    NUMBER = "number"  # float64, NaN where empty
    WHOLE = "whole"  # int64
    TEXT = "text"  # object, "" where empty
    CODE = "code"  # int8, by the column's `codes`


class Cell(Enum):
    """What becomes of a cell without a good value."""

    MUST = "must"  # empty or unreadable: the row is refused
    MAY = "may"  # empty is fine, unreadable is refused
    HINT = "hint"  # neither matters


@dataclass(frozen=True)
class Column:
    """One column: `heading` in the file (when it differs) and `name` in the arrays."""

    name: str
    kind: Kind = Kind.NUMBER
    heading: str = ""
    cell: Cell = Cell.MUST
    is_needed: bool = True
    codes: tuple[tuple[str, int], ...] = ()
    unknown: Reason = Reason.NO_NUMBER  # of a CODE that is not in `codes`
    longest: int = 16  # of a TEXT

    @property
    def title(self) -> str:
        """Return the word in the file's header."""
        return self.heading or self.name


@dataclass(frozen=True)
class Layout:
    """The columns one kind of file has; columns not named here are ignored."""

    columns: tuple[Column, ...]

    def lacks(self, titles: Sequence[str]) -> list[str]:
        """Return the needed columns that `titles` does not have."""
        return [one.title for one in self.columns if one.is_needed and one.title not in titles]


@dataclass(frozen=True)
class PlacedLayout:
    """A layout found in a file: the columns it has, where they stand, how many there are."""

    columns: tuple[Column, ...]
    places: tuple[int, ...]
    width: int

    def has(self, name: str) -> bool:
        """Tell whether the file has the column."""
        return any(one.name == name for one in self.columns)

    def has_kind(self, *kinds: Kind) -> bool:
        """Tell whether a column is of one of these kinds."""
        return any(one.kind in kinds for one in self.columns)


@dataclass(frozen=True)
class RawRows:
    """Rows as read: where `reasons` is not 0 the values mean nothing."""

    layout: PlacedLayout
    line: IntArray
    columns: Columns
    reasons: ReasonArray
    text: Callable[[int], str] = field(repr=False)

    def __len__(self) -> int:
        return len(self.line)


def place(layouts: Sequence[Layout], header: Sequence[str], *, named: str) -> PlacedLayout:
    """Return the first layout whose needed columns the header has, and where they stand."""
    titles = [name.strip().lower() for name in header]
    if len(titles) == 1:
        for separator, word in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
            if separator in titles[0]:
                raise BadFileError(
                    f"{named}: its columns are parted by {word}; save it with commas between"
                    " columns and a point in numbers"
                )
    lacking: list[list[str]] = [layout.lacks(titles) for layout in layouts]
    for layout, missing in zip(layouts, lacking, strict=True):
        if not missing:
            found = tuple(one for one in layout.columns if one.title in titles)
            return PlacedLayout(found, tuple(titles.index(one.title) for one in found), len(titles))
    # The layout that comes nearest tells best what is missing.
    nearest = min(lacking, key=len)
    words = ", ".join(nearest)
    raise BadFileError(f"{named}: columns missing: {words}; the file has: {','.join(header)[:120]}")
