"""Make the schedule and, on an empty desk, the demo."""

from typing import Any

from marketdata.management.desk_command import DeskCommand
from tradingsite.pipelines.bootstrap import bootstrap


class Command(DeskCommand):
    """Safe to repeat; `up` runs it at every start."""

    help = "Write the schedule; on an empty desk load the demo and open its account."

    def answer(self, **_: Any) -> dict[str, Any]:
        """Return whether a demo desk was made."""
        return {"demo_made": bootstrap(self.progress)}
