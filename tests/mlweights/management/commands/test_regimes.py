"""The command shows regimes over stored bars and stores what it fits."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from domain.errors import PlumblineError
from marketdata.models import Bar, Instrument
from mlweights.models import RegimeModel

pytestmark = pytest.mark.django_db(databases=["default", "venue"])

NOW = datetime(2010, 1, 1, tzinfo=UTC)


def said(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    call_command("regimes", "--timeframe", "1d", *options, "--json")
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


@pytest.mark.parametrize("symbol", ["AAPL", "FB", "GOOG", "IBM", "MSFT"])
def test_regimes_when_asked_by_rules_all_occur_on_real_bars(sample_desk, capsys, symbol) -> None:
    sample_desk(NOW)
    answer = said(capsys, "--instrument", symbol)
    bars = Bar.objects.filter(instrument__symbol=symbol, timeframe="1d").count()
    assert (answer["method"], answer["bars"], answer["without"]) == ("rules", bars, 50)
    assert sum(answer["trend"].values()) == sum(answer["volatility"].values()) == bars - 50
    assert min(answer["trend"].values()) > 0.05 * bars
    assert 8 < answer["changes_per_year"] < 25
    assert answer["last"]["trend"] == answer["recent"][-1]["trend"]


def test_regimes_when_fitted_are_stored_and_shown(sample_desk, capsys) -> None:
    sample_desk(NOW)
    answer = said(capsys, "--instrument", "AAPL", "--fit")
    model = RegimeModel.objects.get()
    assert (answer["method"], answer["label"]) == ("mixture", model.label)
    assert model.label.endswith("AAPL:1d:1")
    assert answer["measures"] == model.measures
    assert answer["fitted_to"] == "2010-01-01T00:00:00Z"
    assert answer["without"] == 20
    assert min(answer["trend"].values()) > 0.05 * answer["bars"]
    again = said(capsys, "--instrument", "AAPL", "--method", "mixture")
    assert again == answer


def test_regimes_when_printed_for_a_person_names_the_detector(sample_desk, capsys) -> None:
    sample_desk(NOW)
    call_command("regimes", "--instrument", "IBM", "--fit")
    text = capsys.readouterr().out
    assert "NYSE:IBM 1d by mixture:NYSE:IBM:1d:1" in text
    assert "fitted to bars until 2010-01-01" in text
    assert "changes a year" in text


def test_regimes_when_asked_for_the_impossible_refuses_in_a_line(sample_desk) -> None:
    sample_desk(NOW)
    for options, complaint in (
        (("--instrument", "AAPL", "--method", "mixture"), "add --fit"),
        (("--instrument", "AAPL", "--method", "rules", "--fit"), "rules are not fitted"),
        (("--instrument", "AAPL", "--timeframe", "1h"), "no bars of"),
        (("--instrument", "AAPL", "--timeframe", "7x"), "7x"),
        (("--instrument", "NOBODY"), "NOBODY"),
    ):
        with pytest.raises((CommandError, PlumblineError), match=complaint):
            call_command("regimes", *options)
    Instrument.objects.get(symbol="AAPL")
    assert not RegimeModel.objects.exists()
