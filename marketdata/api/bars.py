"""Bars as a history: raw or adjusted, as they are or as they were known at an instant."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from django.db import models
from django.db.models import QuerySet
from rest_framework import serializers

from domain.bars import BarSeries, Split, to_micros
from marketdata.adjustment import Adjustment, DividendFactor, adjusted
from marketdata.api.history import HistoryViewSet, Instant, Row, history_of
from marketdata.models import Bar, BarRevision, Dividend
from marketdata.models import Split as SplitRow

PRICES = ("open", "high", "low", "close", "volume")
SERIES_COLUMNS = tuple(field.name for field in fields(BarSeries))


class BarHistory(HistoryViewSet):
    """Bars; what an instant knew of them, in the units of that instant."""

    def wanted(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return the bars of the span; those that `known_at` knew, when it is given."""
        rows = super().wanted(rows)
        if instant := self.asked.get("known_at"):
            was_known = models.Q(known_at__isnull=True) | models.Q(known_at__lt=instant)
            rows = rows.filter(was_known, opened_at__lt=instant, closed_at__lte=instant)
        return rows

    def changed(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Return the bars with their former values where asked, and adjusted where asked."""
        if not rows:
            return rows
        return self._adjusted(self._as_known(rows))

    def _as_known(self, rows: Sequence[Row]) -> Sequence[Row]:
        instant = self.asked.get("known_at")
        if not instant:
            return rows
        time = self.columns.index("opened_at")
        replaced = BarRevision.objects.filter(
            **self.series,
            known_until__gte=instant,
            opened_at__range=(rows[0][time], rows[-1][time]),
        )
        former = {
            row[time]: row
            for row in replaced.order_by("-opened_at", "-version").values_list(*self.columns)
        }
        return [former.get(row[time], row) for row in rows]

    def _adjusted(self, rows: Sequence[Row]) -> Sequence[Row]:
        mode = Adjustment(self.asked["adjust"])
        if mode is Adjustment.RAW:
            return rows
        splits, dividends = self._events()
        series = adjusted(
            _series(rows, self.columns), splits, dividends, mode, as_of=self.asked.get("known_at")
        )
        first = self.columns.index("open")  # the five stand together
        after = first + len(PRICES)
        prices = zip(*(getattr(series, name).tolist() for name in PRICES), strict=True)
        return [
            (*row[:first], *new[:-1], None if row[after - 1] is None else new[-1], *row[after:])
            for row, new in zip(rows, prices, strict=True)
        ]

    def _events(self) -> tuple[list[Split], list[DividendFactor]]:
        if not hasattr(self, "_known_events"):
            splits = SplitRow.objects.filter(instrument=self.instrument)
            dividends = Dividend.objects.filter(instrument=self.instrument)
            self._known_events = (
                [Split(at, float(by)) for at, by in splits.values_list("effective_at", "ratio")],
                [
                    DividendFactor(at, float(by))
                    for at, by in dividends.values_list("effective_at", "factor")
                ],
            )
        return self._known_events


def _series(rows: Sequence[Row], names: Sequence[str]) -> BarSeries:
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    times = (np.array([to_micros(at) for at in columns[one]]) for one in ("opened_at", "closed_at"))
    return BarSeries(*times, *(np.array(columns[one], dtype=float) for one in PRICES))


BarView = history_of(
    Bar,
    BarHistory,
    adjust=serializers.ChoiceField(
        choices=[one.value for one in Adjustment], default="raw", help_text="What is taken out."
    ),
    known_at=Instant(required=False, help_text="As this instant knew them."),
)
