"""Admin of the weights floor: all to look at, versions change only by being replaced."""

from django.contrib import admin
from django.db.models import QuerySet

from marketdata.admin_base import OldDataAdmin, OldDataFilter, register_facts
from marketdata.models import DataRevision
from mlweights.models import RegimeModel, Score, TrainingRun, WeightVersion
from mlweights.queries import (
    changes_under_run,
    changes_under_score,
    run_on_old_data,
    score_on_old_data,
)


@admin.register(Score)
class ScoreAdmin(OldDataAdmin):
    """Scores with what they were made of."""

    old_data = score_on_old_data()
    search_fields = ("instrument__symbol", "weight_version__label")
    list_filter = ("timeframe", OldDataFilter, "instrument", "closed_at")
    list_display = (
        *("closed_at", "instrument_link", "timeframe", "value"),
        *("weight_version_link", "bars_from", "on_old_data"),
    )

    def changes_of(self, row: Score) -> QuerySet[DataRevision]:
        """Return what changed the score's bars."""
        return changes_under_score(row)


@admin.register(TrainingRun)
class TrainingRunAdmin(OldDataAdmin):
    """Training runs with what came of them."""

    old_data = run_on_old_data()
    search_fields = ("instrument__symbol", "data_hash")
    list_filter = ("state", OldDataFilter, "optimizer", "timeframe", "instrument")
    list_display = (
        *("created_at", "instrument_link", "timeframe", "optimizer", "as_of", "state"),
        *("finished_at", "on_old_data"),
    )

    def changes_of(self, row: TrainingRun) -> QuerySet[DataRevision]:
        """Return what changed the bars the run learned from."""
        return changes_under_run(row)


register_facts(
    (
        (
            RegimeModel,
            {
                "search_fields": ("label", "data_hash"),
                "list_filter": ("method", "timeframe", "instrument"),
                "list_display": (
                    *("label", "instrument_link", "timeframe", "method", "as_of", "valid_from"),
                ),
            },
        ),
        (
            WeightVersion,
            {
                "search_fields": ("label", "data_hash", "author"),
                "list_filter": ("state", "active", "optimizer", "timeframe", "instrument"),
                "list_display": (
                    *("label", "instrument_link", "timeframe", "optimizer", "state", "active"),
                    *("valid_from", "parent_link", "training_run_link"),
                ),
            },
        ),
    )
)
