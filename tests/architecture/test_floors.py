"""Imports and table links point down, and a wrong one is noticed."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import models

from tests.architecture.guards import ROOT, tracked_files

FLOORS = ("domain", "marketdata", "mlweights", "strategies", "risk", "execution", "tradingsite")
SHELL_FOLDERS = frozenset({"models", "services", "api", "management", "migrations"})
SHELL_FILES = frozenset({"queries", "admin", "admin_base", "apps", "__init__"})
APPS = frozenset(FLOORS) - {"domain"}


def contracts() -> dict[str, dict[str, Any]]:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return {one["id"]: one for one in config["tool"]["importlinter"]["contracts"]}


def lint(folder: Path, contract: str = "") -> subprocess.CompletedProcess[str]:
    """Run import-linter in `folder` on all contracts, or one."""
    only = ["--contract", contract] if contract else []
    code = "import sys; from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-c", code, "--no-cache", "--no-logo", *only],
        cwd=folder, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


@pytest.fixture(scope="module")
def copied_house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the source tree and its contracts, to plant mistakes in."""
    house = tmp_path_factory.mktemp("house")
    for path in tracked_files():
        relative = path.relative_to(ROOT)
        is_source = relative.parts[0] in FLOORS and path.suffix == ".py"
        if is_source or relative.name == "pyproject.toml":
            (house / relative).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, house / relative)
    return house


def test_imports_when_nothing_is_planted_keep_every_contract(copied_house: Path) -> None:
    done = lint(copied_house)
    assert done.returncode == 0, done.stdout
    assert f"Contracts: {len(contracts())} kept, 0 broken." in done.stdout


@pytest.mark.parametrize(
    ("contract", "file", "line"),
    [
        ("floors", "marketdata/data_quality.py", "import risk.decide"),
        ("floors", "domain/bus.py", "from tradingsite import celery"),
        # An import made for types alone points upward all the same.
        (
            "floors",
            "marketdata/queries.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import execution.models",
        ),
        ("floors", "risk/decide.py", "def late():\n    import execution.accounting"),
        ("inside_an_app", "execution/models/books.py", "import execution.services.place_orders"),
        ("inside_an_app", "risk/queries.py", "import risk.services.record_decisions"),
        ("pure_rooms", "execution/trade_cycle.py", "from django.utils import timezone"),
        ("pure_rooms", "risk/rules/daily_loss.py", "import redis"),
        ("pure_rooms", "marketdata/feeds/replay.py", "from marketdata.models import Bar"),
        ("services_without_celery", "execution/services/book_fills.py", "import celery"),
        ("no_rings", "tradingsite/access/problems.py", "import tradingsite.monitoring.alerts"),
        (
            "one_door_to_brokers",
            "tradingsite/pipelines/trading.py",
            "import execution.brokers.paper",
        ),
        ("indicators_apart", "marketdata/indicators/rsi.py", "import marketdata.indicators.macd"),
        ("rules_apart", "risk/rules/daily_loss.py", "import risk.rules.max_drawdown"),
    ],
)
def test_imports_when_a_forbidden_one_is_planted_break_its_contract(
    contract: str, file: str, line: str, copied_house: Path
) -> None:
    path = copied_house / file
    before = path.read_text(encoding="utf-8")
    try:
        path.write_text(f"{before}\n{line}\n", encoding="utf-8")
        done = lint(copied_house, contract)
    finally:
        path.write_text(before, encoding="utf-8")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "BROKEN" in done.stdout


def test_every_file_when_not_shell_by_name_is_guarded_as_pure() -> None:
    guarded = contracts()["pure_rooms"]["source_modules"]
    unguarded = []
    for path in tracked_files():
        parts = path.relative_to(ROOT).with_suffix("").parts
        if path.suffix != ".py" or parts[0] not in FLOORS or parts[0] == "tradingsite":
            continue
        is_shell = parts[-1] in SHELL_FILES or bool(SHELL_FOLDERS & set(parts[1:]))
        module = ".".join(parts)
        covered = any(module == one or module.startswith(f"{one}.") for one in guarded)
        if not is_shell and not covered:
            unguarded.append(module)
    assert unguarded == []


def our_models() -> list[type[models.Model]]:
    every = apps.get_models(include_auto_created=True)
    return [model for model in every if model._meta.app_label in APPS]


def links() -> list[Any]:
    return [
        field
        for model in our_models()
        for field in model._meta.get_fields()
        if isinstance(field, models.ForeignKey | models.ManyToManyField)
        and field.related_model._meta.app_label in APPS
    ]


def test_table_links_when_followed_point_down() -> None:
    upward = [
        str(field)
        for field in links()
        if FLOORS.index(field.model._meta.app_label)
        < FLOORS.index(field.related_model._meta.app_label)
    ]
    assert links()
    assert upward == []


def test_table_links_when_across_apps_are_protected_and_have_no_way_back() -> None:
    wrong = [
        str(field)
        for field in links()
        if isinstance(field, models.ForeignKey)
        and not field.model._meta.auto_created
        and field.model._meta.app_label != field.related_model._meta.app_label
        and (field.remote_field.on_delete is not models.PROTECT or not field.remote_field.hidden)
    ]
    assert wrong == []


def test_table_links_when_within_an_app_never_cascade() -> None:
    """A deleted parent never takes facts with it."""
    cascading = [
        str(field)
        for field in links()
        if isinstance(field, models.ForeignKey)
        and not field.model._meta.auto_created
        and field.remote_field.on_delete is models.CASCADE
    ]
    assert cascading == []
