"""Which instrument a file is about: the stored one, or a new one with the grid its data show."""

from dataclasses import dataclass
from decimal import Decimal

from domain.errors import PlumblineError
from marketdata.calendars import calendar_named
from marketdata.models import Instrument

FRACTIONAL_LOT = Decimal("0.00001")
SIZES = ("tick_size", "lot_size", "multiplier")


class BadInstrumentError(PlumblineError):
    """The instrument cannot be made, or is not what the options say."""

    code = "bad_instrument"


@dataclass(frozen=True, slots=True)
class InstrumentOptions:
    """Which instrument the file is about; what is None is inferred or taken as it is stored."""

    symbol: str
    venue: str
    kind: str | None = None
    currency: str | None = None
    tick_size: Decimal | None = None
    lot_size: Decimal | None = None
    multiplier: Decimal | None = None
    calendar: str | None = None


@dataclass(frozen=True, slots=True)
class PriceGrid:
    """What prices and sizes show of an instrument's grid."""

    decimals: int = 0
    has_fractions: bool = False

    @property
    def tick_size(self) -> Decimal:
        """Return the price step these decimals need."""
        return Decimal(1).scaleb(-self.decimals)

    @property
    def lot_size(self) -> Decimal:
        """Return a quantity step these sizes fit."""
        return FRACTIONAL_LOT if self.has_fractions else Decimal(1)


def find_or_make(options: InstrumentOptions) -> tuple[Instrument, bool]:
    """Return the instrument and whether it is new; options that contradict the stored one fail.

    A calendar given for an instrument without one is kept.
    """
    check_options(options)
    instrument, is_new = Instrument.objects.get_or_create(
        venue=options.venue,
        symbol=options.symbol,
        defaults={
            "kind": options.kind or "equity",
            "currency": options.currency or "USD",
            # The grid is known after the last row: `set_grid`.
            "tick_size": options.tick_size or 1,
            "lot_size": options.lot_size or 1,
            "multiplier": options.multiplier or 1,
            "calendar": options.calendar or "",
        },
    )
    if not is_new:
        if options.calendar and not instrument.calendar:
            instrument.calendar = options.calendar
            instrument.save(update_fields=("calendar",))
        for name in ("kind", "currency", "calendar", *SIZES):
            wanted, stored = getattr(options, name), getattr(instrument, name)
            if wanted is not None and wanted != stored:
                raise BadInstrumentError(
                    f"{instrument} is stored with {name} {stored}, not {wanted}"
                )
    return instrument, is_new


def check_options(options: InstrumentOptions) -> None:
    """Raise when a text or a size cannot be an instrument's."""
    for name, text, longest in (
        ("symbol", options.symbol, 40),
        ("venue", options.venue, 20),
        ("currency", options.currency or "USD", 10),
    ):
        if not text or len(text) > longest or not text.isprintable() or text != text.strip():
            raise BadInstrumentError(f"{name} '{text}' must be 1 to {longest} printable characters")
        if name != "symbol" and ":" in text:
            raise BadInstrumentError(f"{name} '{text}' must not hold a colon")
    kinds = [kind for kind, _ in Instrument.KINDS]
    if options.kind is not None and options.kind not in kinds:
        raise BadInstrumentError(f"unknown kind '{options.kind}'; known: {', '.join(kinds)}")
    calendar_named(options.calendar or "")  # refuses a name no calendar has
    for name in SIZES:
        size = getattr(options, name)
        if size is not None and not (size.is_finite() and 0 < size < 10**9):
            raise BadInstrumentError(f"{name} {size} must lie above 0 and below 1000000000")
        if size is not None and size != round(size, 10):
            raise BadInstrumentError(f"{name} {size} has more than 10 decimals")


def set_grid(instrument: Instrument, options: InstrumentOptions, grid: PriceGrid) -> None:
    """Give a new instrument the tick and lot its data show, where no option said them."""
    instrument.tick_size = options.tick_size or grid.tick_size
    instrument.lot_size = options.lot_size or grid.lot_size
    instrument.save(update_fields=("tick_size", "lot_size"))


def grid_words(*, is_new: bool, options: InstrumentOptions) -> str:
    """Return where the instrument's tick and lot come from."""
    if not is_new:
        return "as stored"
    tick = "given" if options.tick_size else "inferred from the decimals of the prices"
    lot = "given" if options.lot_size else "inferred from the volumes"
    return f"tick {tick}, lot {lot}"


def finer_than_stored(instrument: Instrument, grid: PriceGrid) -> list[str]:
    """Return a note when the prices have more decimals than the stored tick."""
    exponent = instrument.tick_size.normalize().as_tuple().exponent
    if not isinstance(exponent, int) or grid.decimals <= max(0, -exponent):
        return []
    tick = f"{instrument.tick_size.normalize():f}"
    return [f"prices have {grid.decimals} decimals, more than the stored tick size {tick}"]
