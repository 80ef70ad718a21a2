"""A history of regimes in figures: how much of each, how long at a time, how often it changed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import groupby, pairwise
from typing import Any

from domain.bars import FloatArray, from_micros
from mlweights.regimes import TRENDS, VOLATILITIES, regime_of

SECONDS_PER_YEAR = 365.25 * 86_400
RECENT = 10


@dataclass(frozen=True)
class Span:
    """Bars in a row of one regime, by the closing instants of the first and the last."""

    trend: str
    first: datetime
    last: datetime
    bars: int


def history_of(outputs: FloatArray, closed_at: Sequence[int]) -> dict[str, Any]:
    """Return figures on a detector's outputs (outputs x n) over bars closed at these instants."""
    regimes = [regime_of(pair) for pair in outputs[:2].T.tolist()]
    said = [one for one in regimes if one.trend]
    spans = spans_of([one.trend for one in regimes], closed_at)
    counts = Counter(one.trend for one in said)
    highs = Counter(one.volatility for one in said)
    return {
        "bars": len(regimes),
        "without": len(regimes) - len(said),
        "from": spans[0].first if spans else None,
        "to": spans[-1].last if spans else None,
        "trend": {name: counts[name] for name in TRENDS},
        "volatility": {name: highs[name] for name in VOLATILITIES},
        "spans": {
            name: _lengths([one.bars for one in spans if one.trend == name]) for name in TRENDS
        },
        "changes_per_year": changes_per_year(spans),
        "last": asdict(said[-1]) if said else None,
        "recent": [asdict(one) for one in spans[-RECENT:]],
    }


def spans_of(trends: Sequence[str], closed_at: Sequence[int]) -> list[Span]:
    """Return the spans of equal regimes in their order; '' belongs to none."""
    spans, begin = [], 0
    for trend, group in groupby(trends):
        end = begin + len(list(group))
        if trend:
            first, last = from_micros(int(closed_at[begin])), from_micros(int(closed_at[end - 1]))
            spans.append(Span(trend, first, last, end - begin))
        begin = end
    return spans


def changes_per_year(spans: Sequence[Span]) -> float | None:
    """Return how often the regime changed in a year of the calendar, None without any time."""
    if not spans or spans[0].first == spans[-1].last:
        return None
    changes = sum(one.trend != other.trend for one, other in pairwise(spans))
    years = (spans[-1].last - spans[0].first).total_seconds() / SECONDS_PER_YEAR
    return round(changes / years, 2)


def _lengths(bars: Sequence[int]) -> dict[str, float]:
    if not bars:
        return {"count": 0, "mean_bars": 0.0, "longest": 0}
    return {
        "count": len(bars),
        "mean_bars": round(sum(bars) / len(bars), 2),
        "longest": max(bars),
    }
