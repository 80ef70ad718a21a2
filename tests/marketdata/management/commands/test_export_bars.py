"""The export command as a person and a program see it."""

import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from domain.errors import PlumblineError

pytestmark = pytest.mark.django_db
ROWS = "ts,open,high,low,close\n2024-01-02T00:00:00Z,1,1,1,1\n2024-01-02T00:01:00Z,2,2,2,2\n"


@pytest.fixture
def _stored(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(ROWS)
    named = ("--instrument", "ABC", "--venue", "TEST", "--timeframe", "1m")
    call_command("import_bars", str(tmp_path / "in.csv"), *named)


@pytest.mark.usefixtures("_stored")
def test_export_bars_when_asked_for_json_prints_one_object(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    out = tmp_path / "out.csv"
    asked = ("--instrument", "TEST:ABC", "--timeframe", "1m", "--out", str(out))
    call_command("export_bars", *asked, "--from", "2024-01-02T00:01:00Z", "--json")
    answer = json.loads(capsys.readouterr().out)
    assert (answer["rows"], answer["first"], answer["adjust"]) == (1, "2024-01-02T00:01:00Z", "raw")
    assert out.read_text().splitlines()[1] == "2024-01-02T00:01:00Z,2,2,2,2,,2024-01-02T00:02:00Z"
    call_command("export_bars", *asked, "--to", "2024-01-02 00:01")
    assert "rows: 1" in capsys.readouterr().out


@pytest.mark.usefixtures("_stored")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"instrument": "XYZ"}, "unknown instrument 'XYZ'"),
        ({"timeframe": "7m"}, "unknown timeframe '7m'"),
        ({"since": "soon"}, "--from 'soon' is no time"),
        ({"until": "2020-01-01"}, "has no 1m bars in that span"),
        ({"out": "bars.xls"}, "end the name with .csv"),
    ],
)
def test_export_bars_when_asked_wrongly_says_one_line(
    tmp_path: Path, options: dict[str, str], message: str
) -> None:
    asked = {"instrument": "ABC", "timeframe": "1m", "out": tmp_path / "out.csv", **options}
    asked["out"] = tmp_path / asked["out"]
    with pytest.raises((PlumblineError, CommandError)) as caught:
        call_command("export_bars", **asked)
    assert message in str(caught.value)
    assert [one.name for one in tmp_path.iterdir()] == ["in.csv"]
