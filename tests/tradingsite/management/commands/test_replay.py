"""Options of `replay` are refused before anything is made."""

from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

DAYS = ("--instruments=AAPL", "--from=2005-01-01", "--to=2005-02-01")


@pytest.mark.parametrize("text", ["nan", "inf", "-5", "0", "much"])
def test_cash_when_no_positive_amount_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match="--cash"):
        call_command("replay", *DAYS, f"--cash={text}")


def test_export_when_folder_cannot_be_made_is_refused(tmp_path: Path) -> None:
    taken = tmp_path / "file"
    taken.touch()
    with pytest.raises(CommandError, match="--export"):
        call_command("replay", *DAYS, f"--export={taken}")
