"""List everything registered."""

from typing import Any

from execution.services.connect_broker import broker_names
from marketdata.feeds.registry import load_feeds
from marketdata.indicators.registry import load_indicators
from marketdata.management.desk_command import DeskCommand
from mlweights.optimizers.registry import load_optimizers
from risk.rules.registry import load_rules
from strategies.bots.registry import load_strategies

FAMILIES = (
    load_feeds,
    load_indicators,
    load_optimizers,
    load_strategies,
    load_rules,
)


class Command(DeskCommand):
    """One line per family."""

    help = "List every registered feed, indicator, optimizer, strategy, rule and broker."

    def answer(self, **_: Any) -> dict[str, Any]:
        """Return the names by family."""
        registries = [load() for load in FAMILIES]
        names = {registry.family: list(registry) for registry in registries}
        return {**names, "broker": broker_names()}

    def print_answer(self, answer: dict[str, Any]) -> None:
        """Print one line per family."""
        for family, names in answer.items():
            self.stdout.write(f"{family}: {', '.join(names)}")
