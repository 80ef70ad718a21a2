"""The template's words for numbers, times and small charts."""

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from domain.orders import side_word
from tradingsite.dashboard import charts, formatting
from tradingsite.dashboard.formatting import Number

register = template.Library()


def _known(value: Any) -> Any:
    """Return None for the empty text by which templates name what they did not find."""
    return None if value == "" else value


def _of_known(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def call(value: Any, *options: Any) -> Any:
        return function(_known(value), *options)

    return call


_PLAIN: dict[str, Callable[..., Any]] = {
    "fixed": formatting.fixed,
    "signed": formatting.signed,
    "percent": formatting.percent,
    "signed_pct": formatting.signed_percent,
    "measure": formatting.measure,
    "plain": formatting.plain,
    "duration": formatting.duration,
    "quantity": formatting.quantity,
    "price": formatting.price,
    "side": side_word,
    "sparkline": charts.sparkline,
    "share_bar": charts.share_bar,
    "weight_bar": charts.diverging_bar,
}
for _name, _function in _PLAIN.items():
    register.filter(_name, _of_known(_function))


@register.filter
def words(name: str) -> str:
    """Return a stored name as people write it."""
    return name.replace("_", " ")


@register.filter
def gain(value: Number | None, places: int = 2) -> SafeString:
    """Return an amount with sign, colour and arrow."""
    known = _known(value)
    return formatting.toned(formatting.signed(known, places), known)


@register.filter
def gain_percent(share: Number | None, places: int = 2) -> SafeString:
    """Return a fraction as percent with sign, colour and arrow."""
    known = _known(share)
    return formatting.toned(formatting.signed_percent(known, places), known)


@register.filter
def at(value: datetime | None) -> SafeString:
    """Return an instant as a <time>, to the minute, in UTC."""
    return _time(value, formatting.instant(_known(value)))


@register.filter
def at_brief(value: datetime | None) -> SafeString:
    """Return an instant as a <time>, as short as can be; the full one is its title."""
    return _time(value, formatting.brief(_known(value)))


@register.filter
def at_second(value: datetime | None) -> SafeString:
    """Return an instant as a <time>, to the second, in UTC."""
    return _time(value, formatting.instant(_known(value), seconds=True))


def _time(value: datetime | None, text: str) -> SafeString:
    if not value:
        return format_html("{}", text)
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>',
        value.isoformat(),
        formatting.instant(value, seconds=True),
        text,
    )


@register.simple_tag
def score_bar(value: Number | None, buy: Number | None = None, sell: Number | None = None) -> str:
    """Return a score as a bar to the left or right of zero, with both thresholds marked."""
    return charts.diverging_bar(_known(value), marks=(_known(sell), _known(buy)))
