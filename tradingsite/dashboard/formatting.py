"""Values to text for people: signs, separators and zones the same on every page."""

from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

from django.utils.html import format_html
from django.utils.safestring import SafeString

Number = Decimal | float | int

DASH = "\u2013"
MINUS = "\u2212"  # as wide as a plus, so that columns line up
MAX_PRICE_PLACES = 8


def fixed(value: Number | None, places: int = 2) -> str:
    """Return the number with separators and a real minus sign; a dash when there is none."""
    if value is None:
        return DASH
    number = value if isinstance(value, Decimal) else Decimal(repr(value))
    if not number.is_finite():
        return DASH
    rounded = number.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN)
    text = f"{abs(rounded):,f}"
    return MINUS + text if rounded < 0 else text


def signed(value: Number | None, places: int = 2) -> str:
    """Return the number with a plus when it is above zero."""
    text = fixed(value, places)
    is_zero = not any(digit in "123456789" for digit in text)
    return text if value is None or is_zero or text.startswith(MINUS) else f"+{text}"


def percent(share: Number | None, places: int = 2) -> str:
    """Return a fraction as percent."""
    return DASH if share is None else f"{fixed(Decimal(str(share)) * 100, places)} %"


def signed_percent(share: Number | None, places: int = 2) -> str:
    """Return a fraction as percent with its sign."""
    return DASH if share is None else f"{signed(Decimal(str(share)) * 100, places)} %"


def quantity(value: Decimal | None) -> str:
    """Return a quantity without trailing zeros."""
    if value is None:
        return DASH
    trimmed = value.normalize()
    places = max(0, -int(trimmed.as_tuple().exponent))
    return fixed(trimmed, places)


def price(value: Number | None, tick: Decimal | None = None) -> str:
    """Return a price with as many places as its tick has, two when no tick is known."""
    places = 2
    if tick:
        places = min(MAX_PRICE_PLACES, max(0, -int(tick.normalize().as_tuple().exponent)))
    return fixed(value, places)


def measure(value: object) -> str:
    """Return one measure of a model: short numbers, readable instants, anything else as it is."""
    if isinstance(value, str):
        return _instant_or_text(value)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return str(value)
    return fixed(value, 0) if isinstance(value, int) else fixed(value, 4)


def _instant_or_text(text: str) -> str:
    try:
        return instant(datetime.fromisoformat(text)) if "T" in text else text
    except ValueError:
        return text


def plain(text: str) -> str:
    """Return a stored number with separators and two to six places; other text as it is."""
    number, _, unit = text.partition(" ")
    try:
        value = Decimal(number)
    except InvalidOperation:
        return text
    if not value.is_finite():
        return text
    if unit == "ms":
        return duration(int(value))
    places = -int(value.normalize().as_tuple().exponent)
    shown = fixed(value, max(0, min(places, 2 if abs(value) >= 10 else 6)))
    return f"{shown} {unit}".rstrip()


def duration(milliseconds: int) -> str:
    """Return a span in the largest unit that fits it."""
    for name, length in (("days", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000)):
        if milliseconds >= length:
            return f"{fixed(milliseconds / length, 0 if milliseconds % length == 0 else 1)} {name}"
    return f"{milliseconds} ms"


def instant(value: datetime | None, *, seconds: bool = False) -> str:
    """Return a UTC instant without its zone; the column or label carries it."""
    if value is None:
        return DASH
    return value.strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")


def brief(value: datetime | None) -> str:
    """Return the day alone where the instant is a day's end, else day and time."""
    if value is None:
        return DASH
    return value.strftime("%Y-%m-%d" if (value.hour, value.minute) == (0, 0) else "%m-%d %H:%M")


def tone(value: Number | None) -> str:
    """Return the class of a gain, a loss or neither."""
    if value is None or value == 0:
        return "flat"
    return "up" if value > 0 else "down"


def toned(text: str, value: Number | None) -> SafeString:
    """Return the text coloured by the value, with an arrow for those who see no colour."""
    word = tone(value)
    arrow = {"up": "▲", "down": "▼", "flat": ""}[word]
    return format_html(
        '<span class="{}"><span class="arrow" aria-hidden="true">{}</span>{}</span>',
        word,
        arrow,
        text,
    )
