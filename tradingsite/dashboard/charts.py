"""Small charts as SVG text: no script, no style attribute, readable as a table beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from math import ceil, floor, isfinite, log10

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from tradingsite.dashboard import formatting
from tradingsite.dashboard.formatting import Number

WIDTH, HEIGHT = 1000, 240
DRAWDOWN_HEIGHT = 70
TICKS = 5
TIME_LABELS = 6


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One drawn point of the equity curve; drawdown is the deepest since the point before."""

    at: datetime
    equity: Decimal
    drawdown: float


@dataclass(frozen=True, slots=True)
class Curve:
    """An equity curve ready to print: two SVGs and their axis labels, top to bottom."""

    equity: SafeString
    drawdown: SafeString
    equity_labels: tuple[str, ...]
    drawdown_labels: tuple[str, ...]
    time_labels: tuple[str, ...]
    points: str
    rows: tuple[CurvePoint, ...]
    summary: str


def curve(points: Sequence[CurvePoint], currency: str) -> Curve | None:
    """Return the chart of at least two points, None for fewer."""
    if len(points) < 2:
        return None
    begin, end = points[0].at.timestamp(), points[-1].at.timestamp()
    xs = [WIDTH * (point.at.timestamp() - begin) / (end - begin or 1) for point in points]
    equities = [float(point.equity) for point in points]
    low, high, step = nice_range(min(equities), max(equities), TICKS)
    depth = nice_range(0.0, max(0.001, *(point.drawdown for point in points)), 3)[1]
    ys = [HEIGHT * (high - value) / (high - low) for value in equities]
    downs = [DRAWDOWN_HEIGHT * point.drawdown / depth for point in points]
    base = HEIGHT * (high - equities[0]) / (high - low)
    return Curve(
        equity=_equity_svg(xs, ys, base, round((high - low) / step)),
        drawdown=_area_svg(xs, downs),
        equity_labels=tuple(
            axis_number(high - index * step, step)
            for index in range(round((high - low) / step) + 1)
        ),
        drawdown_labels=("0 %", formatting.percent(-depth, 1)),
        time_labels=time_labels(points[0].at, points[-1].at),
        points=_hover_points(points, xs, ys, downs),
        rows=tuple(points[:: max(1, len(points) // 40)][::-1]),
        summary=_summary(points, currency),
    )


def _equity_svg(xs: Sequence[float], ys: Sequence[float], base: float, steps: int) -> SafeString:
    line = _path(xs, ys)
    grid = "".join(
        f'<line class="grid" x1="0" x2="{WIDTH}" y1="{HEIGHT * i / steps:.1f}"'
        f' y2="{HEIGHT * i / steps:.1f}"/>'
        for i in range(steps + 1)
    )
    return mark_safe(
        f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none"'
        f' aria-hidden="true" focusable="false">{grid}'
        f'<line class="base" x1="0" x2="{WIDTH}" y1="{base:.1f}" y2="{base:.1f}"/>'
        f'<path class="area" d="{line}L{xs[-1]:.1f} {HEIGHT}L0 {HEIGHT}Z"/>'
        f'<path class="line" d="{line}"/></svg>'
    )


def _area_svg(xs: Sequence[float], downs: Sequence[float]) -> SafeString:
    line = _path(xs, downs)
    return mark_safe(
        f'<svg class="plot" viewBox="0 0 {WIDTH} {DRAWDOWN_HEIGHT}" preserveAspectRatio="none"'
        f' aria-hidden="true" focusable="false">'
        f'<line class="grid" x1="0" x2="{WIDTH}" y1="0" y2="0"/>'
        f'<line class="grid" x1="0" x2="{WIDTH}" y1="{DRAWDOWN_HEIGHT}" y2="{DRAWDOWN_HEIGHT}"/>'
        f'<path class="fall" d="{line}L{xs[-1]:.1f} 0L0 0Z"/>'
        f'<path class="fall-line" d="{line}"/></svg>'
    )


def _path(xs: Sequence[float], ys: Sequence[float]) -> str:
    pairs = [f"{x:.1f} {y:.1f}" for x, y in zip(xs, ys, strict=True)]
    return "M" + "L".join(pairs)


def _hover_points(
    points: Sequence[CurvePoint], xs: Sequence[float], ys: Sequence[float], downs: Sequence[float]
) -> str:
    """Return what the pointer reads: share of the width, share of the height, text."""
    rows = (
        f"{x / WIDTH:.4f};{y / HEIGHT:.3f};{down / DRAWDOWN_HEIGHT:.3f};"
        f"{point.at:%Y-%m-%d};{formatting.fixed(point.equity)};"
        f"{formatting.percent(-point.drawdown, 2)}"
        for point, x, y, down in zip(points, xs, ys, downs, strict=True)
    )
    return "|".join(rows)


def _summary(points: Sequence[CurvePoint], currency: str) -> str:
    first, last = points[0], points[-1]
    deepest = max(point.drawdown for point in points)
    return (
        f"Equity from {formatting.fixed(first.equity)} {currency} on {first.at:%Y-%m-%d}"
        f" to {formatting.fixed(last.equity)} {currency} on {last.at:%Y-%m-%d};"
        f" deepest drawdown {formatting.percent(deepest)}."
    )


def nice_range(low: float, high: float, steps: int) -> tuple[float, float, float]:
    """Return bounds and step of an axis on round numbers that holds low and high."""
    if not (isfinite(low) and isfinite(high)) or high <= low:
        pad = abs(low) * 0.01 or 1.0
        low, high = low - pad, high + pad
    rough = (high - low) / steps
    scale = 10.0 ** floor(log10(rough))
    step = next(m * scale for m in (1, 2, 2.5, 5, 10) if m * scale >= rough)
    return floor(low / step) * step, ceil(high / step) * step, step


def axis_number(value: float, step: float) -> str:
    """Return a short axis label, all of one axis with the same places: 1.20M, 950k, 12.50."""
    unit, letter = (1_000_000, "M") if step >= 10_000 else (1000, "k") if step >= 100 else (1, "")
    places = max(0, -floor(log10(step / unit) + 1e-9))
    return f"{formatting.fixed(value / unit, min(places, 4))}{letter}"


def time_labels(begin: datetime, end: datetime) -> tuple[str, ...]:
    """Return evenly spaced labels: days for a short span, months for a long one."""
    span = end - begin
    layout = "%Y-%m" if span.days > 400 else "%d %b" if span.days > 6 else "%d %b %H:%M"
    return tuple(
        (begin + span * index / (TIME_LABELS - 1)).strftime(layout) for index in range(TIME_LABELS)
    )


def sparkline(values: Sequence[float] | None) -> SafeString:
    """Return a small line of the values, coloured by its direction; empty below two values."""
    if not values or len(values) < 2:
        return mark_safe("")
    low, high = min(values), max(values)
    xs = [100 * index / (len(values) - 1) for index in range(len(values))]
    ys = [22 - 20 * (value - low) / (high - low or 1) for value in values]
    return format_html(
        '<svg class="spark {}" viewBox="0 0 100 24" preserveAspectRatio="none"'
        ' aria-hidden="true" focusable="false"><path d="{}"/></svg>',
        formatting.tone(values[-1] - values[0]),
        _path(xs, ys),
    )


def share_bar(share: Number | None) -> SafeString:
    """Return how much of a limit is used, 0 to 1; calm, then warning from 70 %, then full."""
    used = min(1.0, max(0.0, float(share or 0)))
    level = "full" if used >= 1 else "warn" if used >= 0.7 else "calm"
    return format_html(
        '<svg class="share {}" viewBox="0 0 100 6" preserveAspectRatio="none"'
        ' aria-hidden="true" focusable="false"><rect class="track" width="100" height="6"/>'
        '<rect class="used" width="{}" height="6"/></svg>',
        level,
        f"{used * 100:.1f}",
    )


def diverging_bar(
    value: Number | None, limit: Number = 1, marks: Sequence[Number | None] = ()
) -> SafeString:
    """Return a bar left or right of zero, scaled to ±limit, with thin lines at the marks."""
    scale = 50 / (float(limit) or 1)
    amount = max(-50.0, min(50.0, float(value or 0) * scale))
    lines = "".join(
        f'<line class="mark" x1="{50 + float(mark) * scale:.1f}"'
        f' x2="{50 + float(mark) * scale:.1f}" y1="0" y2="12"/>'
        for mark in marks
        if mark is not None
    )
    return format_html(
        '<svg class="diverge {}" viewBox="0 0 100 12" preserveAspectRatio="none"'
        ' aria-hidden="true" focusable="false"><rect class="track" y="5.5" width="100" height="1"/>'
        '<rect class="value" x="{}" y="2" width="{}" height="8"/>'
        '<line class="zero" x1="50" x2="50" y1="0" y2="12"/>{}</svg>',
        formatting.tone(value),
        f"{50 + min(0.0, amount):.1f}",
        f"{abs(amount):.1f}",
        mark_safe(lines),
    )
