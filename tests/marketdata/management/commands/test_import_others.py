"""The other import commands, and what all of them share."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from domain.errors import PlumblineError
from marketdata.models import Bar, BookMessage, DepthLevel, OptionQuote, Quote, QuoteBar, Tick

pytestmark = pytest.mark.django_db
NAMED = ("--instrument", "ABC", "--venue", "TEST")
TIME = "2024-01-02T03:45:00Z"
FX = "ts,open,high,low,close," + ",".join(
    f"{side}_{name}" for side in ("bid", "ask") for name in ("open", "high", "low", "close")
)
# Command, its own options, header, row, table.
CASES = (
    ("import_ticks", (), "ts,price,size,exchange,cond,suspicious", "10,1,P,,0", Tick),
    ("import_quotes", (), "ts,bid,bid_size,ask,ask_size", "10,1,11,1", Quote),
    ("import_quotes", ("--timeframe", "1m"), FX, "2,2,2,2,1,1,1,1,3,3,3,3", QuoteBar),
    ("import_bars", ("--timeframe", "1m"), FX, "2,2,2,2,1,1,1,1,3,3,3,3", Bar),
    ("import_depth", ("--level", "L2"), "ts,seq,type,side,price,qty", "0,delta,B,1,1", DepthLevel),
    (
        *("import_depth", ("--level", "L3"), "ts,action,side,price,size,order_id,flags"),
        *("A,B,1,2,3,128", BookMessage),
    ),
)


def written(folder: Path, header: str, row: str, name: str = "rows.csv") -> Path:
    path = folder / name
    path.write_text(f"{header}\n{TIME},{row}\n")
    return path


@pytest.mark.parametrize(("command", "options", "header", "row", "table"), CASES)
def test_import_when_asked_for_json_prints_one_object(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    command: str,
    options: tuple[str, ...],
    header: str,
    row: str,
    table: Any,
) -> None:
    path = str(written(tmp_path, header, row))
    call_command(command, path, *NAMED, *options, "--json")
    answer = json.loads(capsys.readouterr().out)
    assert (answer["rows"], answer["inserted"], answer["first"]) == (1, 1, TIME)
    assert table.objects.count() == 1
    call_command(command, path, *NAMED, *options)
    said = capsys.readouterr().out
    assert "instrument TEST:ABC" in said
    assert "1 rows: 0 inserted, 1 unchanged" in said


def test_import_chain_when_asked_for_json_prints_one_object(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    header = "ts,underlying,expiry,strike,right,bid,bid_qty,ask,ask_qty,last,volume,oi"
    path = written(tmp_path, header, "GOOG,2024-01-05,590,C,1,1,2,1,,,5")
    call_command("import_chain", str(path), "--venue", "TEST", "--multiplier", "100", "--json")
    answer = json.loads(capsys.readouterr().out)
    assert (answer["instrument"], answer["inserted"]) == ("TEST:GOOG", 1)
    assert OptionQuote.objects.get().instrument.multiplier == 100


def test_import_when_files_are_many_sums_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    header, row = CASES[0][2:4]
    paths = [str(written(tmp_path, header, row, name)) for name in ("a.csv", "b.csv")]
    call_command("import_ticks", *paths, *NAMED, "--json")
    answer = json.loads(capsys.readouterr().out)
    assert [one["source"] for one in answer["files"]] == ["a.csv", "b.csv"]
    assert (answer["rows"], answer["inserted"], answer["unchanged"]) == (2, 1, 1)


def test_import_when_a_later_file_is_bad_keeps_those_before_it(tmp_path: Path) -> None:
    header, row = CASES[0][2:4]
    good = written(tmp_path, header, row)
    with pytest.raises(CommandError, match=r"nowhere.csv: No such file .*1 of 2 files were stored"):
        call_command("import_ticks", str(good), str(tmp_path / "nowhere.csv"), *NAMED)
    assert Tick.objects.count() == 1


@pytest.mark.parametrize(
    ("command", "options", "message"),
    [
        ("import_ticks", {"zone": "Mars/Base"}, "--zone 'Mars/Base' is no time zone"),
        ("import_ticks", {"zone": "/etc/passwd"}, "is no time zone"),
        ("import_ticks", {"multiplier": "many"}, "--multiplier 'many' is no number"),
        ("import_ticks", {"calendar": "MOON"}, "unknown calendar 'MOON'"),
        ("import_quotes", {"timeframe": "7m"}, "unknown timeframe '7m'"),
        ("import_ticks", {"file": "pipe"}, "a device, pipe or socket, not a file"),
        ("import_ticks", {"file": "/dev/zero"}, "a device, pipe or socket, not a file"),
    ],
)
def test_import_when_asked_wrongly_says_one_line(
    tmp_path: Path, command: str, options: dict[str, Any], message: str
) -> None:
    os.mkfifo(tmp_path / "pipe")
    named = {"instrument": "ABC", "venue": "TEST", **options}
    path = tmp_path / named.pop("file", written(tmp_path, *CASES[0][2:4]).name)
    with pytest.raises((PlumblineError, CommandError)) as caught:
        call_command(command, str(path), **named)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
