"""Figures on a history of regimes, counted by hand."""

from datetime import UTC, datetime
from math import nan

import numpy as np

from domain.bars import to_micros
from mlweights.regime_spans import Span, changes_per_year, history_of, spans_of

DAYS = [datetime(2021, 1, day, tzinfo=UTC) for day in range(1, 11)]
CLOSED = [to_micros(day) for day in DAYS]


def test_history_when_counted_by_hand_agrees() -> None:
    trends = [nan, 0.0, 0.0, 1.0, 1.0, 1.0, 2.0, 0.0, 0.0, 0.0]
    levels = [nan, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0]
    assert history_of(np.array([trends, levels]), CLOSED) == {
        "bars": 10,
        "without": 1,
        "from": DAYS[1],
        "to": DAYS[9],
        "trend": {"ranging": 5, "trending": 3, "volatile": 1},
        "volatility": {"low": 5, "high": 4},
        "spans": {
            "ranging": {"count": 2, "mean_bars": 2.5, "longest": 3},
            "trending": {"count": 1, "mean_bars": 3.0, "longest": 3},
            "volatile": {"count": 1, "mean_bars": 1.0, "longest": 1},
        },
        "changes_per_year": round(3 * 365.25 / 8, 2),
        "last": {"trend": "ranging", "volatility": "low"},
        "recent": [
            {"trend": "ranging", "first": DAYS[1], "last": DAYS[2], "bars": 2},
            {"trend": "trending", "first": DAYS[3], "last": DAYS[5], "bars": 3},
            {"trend": "volatile", "first": DAYS[6], "last": DAYS[6], "bars": 1},
            {"trend": "ranging", "first": DAYS[7], "last": DAYS[9], "bars": 3},
        ],
    }


def test_history_when_nothing_is_known_says_so() -> None:
    told = history_of(np.full((2, 3), nan), CLOSED[:3])
    assert (told["bars"], told["without"], told["last"], told["recent"]) == (3, 3, None, [])
    assert told["changes_per_year"] is None


def test_spans_when_a_hole_lies_between_are_two_and_no_change() -> None:
    spans = spans_of(["trending", "", "trending", "trending"], CLOSED[:4])
    assert spans == [
        Span("trending", DAYS[0], DAYS[0], 1),
        Span("trending", DAYS[2], DAYS[3], 2),
    ]
    assert changes_per_year(spans) == 0.0
    assert changes_per_year(spans[:1]) is None
