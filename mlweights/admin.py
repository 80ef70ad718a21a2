"""Admin of the weights floor: all to look at, versions change only by being replaced."""

from marketdata.admin_base import register_facts
from mlweights.models import Score, TrainingRun, WeightVersion

register_facts(
    (
        (
            Score,
            {
                "search_fields": ("instrument__symbol", "weight_version__label"),
                "list_filter": ("timeframe", "instrument", "closed_at"),
                "list_display": (
                    *("closed_at", "instrument_link", "timeframe", "value"),
                    *("weight_version_link", "bars_from"),
                ),
            },
        ),
        (
            TrainingRun,
            {
                "search_fields": ("instrument__symbol", "data_hash"),
                "list_filter": ("state", "optimizer", "timeframe", "instrument"),
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
