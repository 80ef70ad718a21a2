"""Strips of time as SVG text: a series from its first bar to its last, with its holes."""

from collections.abc import Sequence
from datetime import UTC, datetime

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from marketdata.services.measure_coverage import Coverage
from tradingsite.dashboard import formatting
from tradingsite.dashboard.data_queries import Hole

WIDTH = 1000
SMALLEST = 3.0  # a minute in ten years can still be seen
MOST_MARKS = 30


def strip(series: Coverage, gaps: Sequence[Hole]) -> SafeString:
    """Return the strip: years as ticks, holes by state; hatched where no calendar is known."""
    begin, end = series.first_opened_at.timestamp(), series.last_closed_at.timestamp()

    def x(at: datetime) -> float:
        return WIDTH * min(1.0, max(0.0, (at.timestamp() - begin) / ((end - begin) or 1)))

    # Open ones are drawn last: they must not hide behind a settled neighbour.
    ordered = sorted(gaps, key=lambda gap: gap.state == "open")
    holes = format_html_join(
        "",
        '<rect class="hole g-{}" x="{}" width="{}" height="14"><title>{}</title></rect>',
        (_hole(gap, x(gap.first_opened_at), x(gap.last_opened_at)) for gap in ordered),
    )
    years = format_html_join(
        "",
        '<line class="year" x1="{0}" x2="{0}" y1="0" y2="14"/>',
        ((f"{x(at):.1f}",) for at in _years(series.first_opened_at, series.last_closed_at)),
    )
    return format_html(
        '<svg class="holes{}" viewBox="0 0 1000 14" preserveAspectRatio="none" role="img"'
        ' aria-label="{}"><rect class="stored" width="1000" height="14"/>{}{}</svg>',
        "" if series.calendar else " is-unknown",
        _told(series, gaps),
        years,
        holes,
    )


def _hole(gap: Hole, begin: float, end: float) -> tuple[str, str, str, str]:
    """Return a hole's class, place, width and title."""
    width = max(SMALLEST, end - begin)
    title = f"{gap.bars:,} missing from {formatting.instant(gap.first_opened_at)} UTC, {gap.state}"
    return gap.state, f"{min(begin, WIDTH - width):.1f}", f"{width:.1f}", title


def _years(begin: datetime, end: datetime) -> list[datetime]:
    """Return the beginnings of the years in between; thinned where they are many."""
    years = range(begin.astimezone(UTC).year + 1, end.astimezone(UTC).year + 1)
    step = len(years) // MOST_MARKS + 1
    return [datetime(year, 1, 1, tzinfo=UTC) for year in years[::step]]


def _told(series: Coverage, gaps: Sequence[Hole]) -> str:
    if not series.calendar:
        return "No calendar is known, so holes are not either."
    is_open = sum(gap.state == "open" for gap in gaps)
    return f"{len(gaps)} holes, {is_open} of them open."
