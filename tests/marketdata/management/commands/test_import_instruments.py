"""The command: a master in, the difference out, one line on refusal."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from domain.errors import PlumblineError
from marketdata.models import Instrument

pytestmark = pytest.mark.django_db

HEAD = "venue,symbol,kind,currency,tick_size,lot_size,expires_at\n"


@pytest.fixture
def master(tmp_path: Path) -> Path:
    path = tmp_path / "master.csv"
    path.write_text(
        f"{HEAD}NSE,NIFTY-FUT,future,INR,0.05,75,2099-12-29\nNSE,SBIN,equity,INR,0.05,1,\n"
        "NSE,TCS,equity,INR,0.05,many,\n"
    )
    return path


def run(*arguments: Any) -> str:
    out = StringIO()
    call_command("import_instruments", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def test_import_instruments_when_json_is_asked_prints_one_object(master: Path) -> None:
    answer = json.loads(run(master, "--json"))
    assert (answer["rows"], answer["added"], answer["rejected"]) == (3, 2, 1)
    assert answer["reasons"] == {"lot_size 'many' is no number": 1}


def test_import_instruments_when_a_lot_changed_says_so_first(master: Path) -> None:
    run(master)
    master.write_text(f"{HEAD}NSE,NIFTY-FUT,future,INR,0.1,65,2099-12-29\n")
    lines = run(master, "--complete").splitlines()
    assert lines == [
        "master.csv: 1 rows: 1 changed, 1 missing",
        "  lot changed: NSE:NIFTY-FUT lot_size 75 -> 65",
        "  changed: NSE:NIFTY-FUT tick_size 0.05 -> 0.1",
        "  lot_size changed of 1",
        "  tick_size changed of 1",
        "  no longer listed: NSE:SBIN",
    ]


def test_import_instruments_when_a_dry_run_stores_nothing(master: Path) -> None:
    assert "a dry run: nothing was stored" in run(master, "--dry-run")
    assert Instrument.objects.count() == 0


def test_import_instruments_when_nothing_is_named_refuses() -> None:
    with pytest.raises(PlumblineError, match="name a master file, or a provider"):
        run()
