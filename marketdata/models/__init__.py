"""Tables of the market data floor."""

from marketdata.models.accounts import Account
from marketdata.models.bars import Bar, BarImport, RejectedBar
from marketdata.models.instruments import Instrument
from marketdata.models.splits import Split
from marketdata.models.streams import LateBar, Seal, Stream

__all__ = [
    "Account",
    "Bar",
    "BarImport",
    "Instrument",
    "LateBar",
    "RejectedBar",
    "Seal",
    "Split",
    "Stream",
]
