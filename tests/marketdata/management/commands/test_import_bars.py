"""The command: one answer, one line for an error, an exit code."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from domain.errors import PlumblineError
from marketdata.models import Bar, Instrument

ROOT = Path(__file__).resolve().parents[4]
ROW = "2024-01-01T00:00:00Z,10,12,9,11,5\n"
NAMED = ("--instrument", "ABC", "--venue", "TEST", "--timeframe", "1m")


@pytest.fixture
def bars_file(tmp_path: Path) -> Path:
    path = tmp_path / "bars.csv"
    path.write_text("ts,open,high,low,close,volume\n" + ROW + ROW + "x\n")
    return path


@pytest.mark.django_db
def test_import_bars_when_json_prints_one_object(
    bars_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("import_bars", str(bars_file), *NAMED, "--json")
    answer = json.loads(capsys.readouterr().out)
    assert {name: answer[name] for name in ("rows", "inserted", "repeated", "rejected")} == {
        "rows": 3,
        "inserted": 1,
        "repeated": 1,
        "rejected": 1,
    }
    assert (answer["instrument"], answer["tick_size"], answer["lot_size"]) == (
        "TEST:ABC",
        "1",
        "1",
    )


@pytest.mark.django_db
def test_import_bars_when_for_a_person_says_what_it_inferred(
    bars_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("import_bars", str(bars_file), *NAMED)
    said = capsys.readouterr().out
    assert "3 rows: 1 inserted, 0 unchanged, 0 corrected, 1 repeated, 1 rejected" in said
    assert "tick size 1, lot size 1 (tick inferred" in said
    assert "rejected: 1 x wrong number of columns" in said


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"timeframe": "7m"}, "unknown timeframe '7m'; known: 1m"),
        ({"tick_size": "abc"}, "--tick-size 'abc' is no number"),
        ({"kind": "bond"}, "unknown kind 'bond'"),
        ({"file": "nowhere.csv"}, "nowhere.csv: No such file"),
    ],
)
def test_import_bars_when_asked_wrongly_says_one_line(
    bars_file: Path, changes: dict[str, Any], message: str
) -> None:
    options = {"instrument": "ABC", "venue": "TEST", "timeframe": "1m", **changes}
    path = options.pop("file", str(bars_file))
    with pytest.raises((PlumblineError, CommandError)) as caught:
        call_command("import_bars", path, **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert (Bar.objects.count(), Instrument.objects.count()) == (0, 0)


def test_import_bars_when_run_as_a_program_fails_with_one_line(tmp_path: Path) -> None:
    ended = subprocess.run(
        [
            sys.executable,
            "manage.py",
            "import_bars",
            str(tmp_path / "nowhere.csv"),
            *NAMED,
        ],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tradingsite.settings.test"},
        capture_output=True,
        text=True,
        check=False,
    )
    said = f"{tmp_path}/nowhere.csv: No such file or directory\n"
    # The first command on an empty database makes its tables, and says so above.
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.splitlines(keepends=True)[-1] == said
    assert "Traceback" not in ended.stderr
