"""Files of option chains: every contract as the venue showed it at an instant."""

from dataclasses import dataclass
from datetime import date

import numpy as np

from domain.bars import IntArray, from_micros
from marketdata.data_quality import Reason, Tests, expired
from marketdata.file_kinds import (
    FileKind,
    absent_when_zero,
    crossed,
    optional,
    price_tests,
    size_tests,
)
from marketdata.row_layouts import Cell, Column, Columns, Kind, Layout

CALL, PUT = 1, -1
RIGHTS = {CALL: "C", PUT: "P"}
CONTRACT_KEY = [("name", "<i8"), ("expiry", "<i8"), ("strike", "<f8"), ("right", "<i8")]
CHAIN_LINES = Layout(
    (
        Column("observed_at", Kind.INSTANT, "ts"),
        Column("underlying", Kind.TEXT, longest=20),
        Column("expiry", Kind.DATE),
        Column("strike"),
        Column(*("right", Kind.CODE), codes=(("C", CALL), ("P", PUT)), unknown=Reason.UNKNOWN_SIDE),
        Column("bid", cell=Cell.MAY),
        Column("bid_size", heading="bid_qty", cell=Cell.MAY),
        Column("ask", cell=Cell.MAY),
        Column("ask_size", heading="ask_qty", cell=Cell.MAY),
        Column("last", cell=Cell.MAY),
        Column("volume", cell=Cell.MAY),
        Column("open_interest", heading="oi", cell=Cell.MAY),
        Column("open_interest_change", heading="oi_change", cell=Cell.MAY, is_needed=False),
        Column("iv_percent", heading="iv", cell=Cell.MAY, is_needed=False),
    )
)


@dataclass(frozen=True, slots=True)
class Contract:
    """The terms of one option."""

    underlying: str
    expiry: date
    strike: float
    right: str

    @property
    def symbol(self) -> str:
        """Return UNDERLYING-YYYYMMDD-STRIKE-RIGHT, such as GOOG-20151224-592.5-C."""
        strike = np.format_float_positional(self.strike, trim="-")
        return f"{self.underlying}-{self.expiry:%Y%m%d}-{strike}-{self.right}"


def contracts_in(columns: Columns) -> tuple[list[Contract], IntArray]:
    """Return the contracts of these rows, and for each row which of them it is."""
    names, underlying = np.unique(columns["underlying"].astype(str), return_inverse=True)
    keys = np.empty(len(underlying), dtype=CONTRACT_KEY)
    keys["name"] = underlying
    for part in ("expiry", "strike", "right"):
        keys[part] = columns[part]
    found, which = np.unique(keys, return_inverse=True)
    contracts = [
        Contract(str(names[name]), from_micros(expiry).date(), strike, RIGHTS[right])
        for name, expiry, strike, right in found.tolist()
    ]
    return contracts, which


def _finish(columns: Columns) -> Columns:
    """Return the columns of option quotes: absent sides and prices NaN, volatility a fraction."""
    volatility = optional(columns, "iv_percent")
    found = columns | {
        **{name: absent_when_zero(columns[name]) for name in ("bid", "ask", "last")},
        "open_interest_change": optional(columns, "open_interest_change"),
        "implied_volatility": absent_when_zero(volatility) / 100,
    }
    return found | {"is_crossed": crossed(found["bid"], found["ask"])}


def _tests(columns: Columns) -> Tests:
    return (
        *price_tests(columns["strike"]),
        *price_tests(columns["bid"], columns["ask"], columns["last"], may_be_zero=True),
        *size_tests(
            *(columns[name] for name in ("bid_size", "ask_size", "volume", "open_interest")),
            columns["implied_volatility"],
        ),
        (Reason.AFTER_EXPIRY, expired(columns["observed_at"], columns["expiry"])),
    )


CHAIN = FileKind("option quotes", (CHAIN_LINES,), _finish, _tests, time="observed_at")
