"""Processes that trade, serve or wait never load what only learning and importing need."""

import json
import os
import subprocess
import sys

import pytest

from tests.architecture.guards import ROOT

HEAVY = ("sklearn", "scipy", "numba", "torch", "pandas", "pandas_market_calendars", "joblib")
START = "import django; django.setup(); "
PROCESSES = {
    "supervisor": "import tradingsite.supervisor.up",
    "web": "import tradingsite.asgi",
    "beat": f"{START}import tradingsite.celery, django_celery_beat.schedulers",
    "feed": f"{START}import tradingsite.management.commands.feed",
    "worker": (
        f"{START}import tradingsite.tasks; "
        "from execution.services.connect_broker import broker_names; broker_names(); "
        "from marketdata.indicators.registry import indicator_set; indicator_set(); "
        "from strategies.bots.registry import load_strategies; load_strategies(); "
        "from mlweights.optimizers.registry import load_optimizers; load_optimizers()"
    ),
}


@pytest.mark.parametrize("process", sorted(PROCESSES))
def test_process_when_started_loads_no_heavy_library(process: str) -> None:
    said = "import json, sys; print(json.dumps(sorted(name.split('.')[0] for name in sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", f"{PROCESSES[process]}; {said}"],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tradingsite.settings.local"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert set(HEAVY) & set(json.loads(done.stdout.splitlines()[-1])) == set()


def test_supervisor_when_started_stays_without_django() -> None:
    code = f"{PROCESSES['supervisor']}; import sys; print('django' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
