"""Log lines for people."""

import io
from pathlib import Path

from tradingsite.supervisor.console import Console, rendered


def test_rendered_when_json_reads_time_level_event_and_the_rest() -> None:
    raw = (
        '{"event": "order filled", "level": "INFO", "timestamp": "2024-05-01T12:34:56.789Z", '
        '"logger": "x", "order": 7, "why": "two words", "empty": null}'
    )
    assert rendered(raw) == (
        "info",
        '12:34:56 info    order filled order=7 why="two words"',
    )


def test_rendered_when_there_is_a_traceback_puts_it_below() -> None:
    raw = '{"event": "it\\nfailed", "level": "error", "exception": "Traceback\\n  line"}'
    assert rendered(raw) == ("error", "error   it failed\nTraceback\n  line")


def test_rendered_when_not_json_stays_as_it_is() -> None:
    for raw in ("plain text", "{broken", "[1, 2]", "{'python': 'dict'}"):
        assert rendered(raw) == ("", raw)


def test_console_writes_the_same_to_terminal_and_file(tmp_path: Path) -> None:
    out = io.StringIO()
    console = Console(out, tmp_path / "up.log")
    console.write("web", "hello")
    console.say("ready")
    console.close()
    assert out.getvalue() == "web      | hello\ndesk     | ready\n"
    assert (tmp_path / "up.log").read_text() == out.getvalue()


def test_console_keeps_secrets_out_of_the_file(tmp_path: Path) -> None:
    out = io.StringIO()
    console = Console(out, tmp_path / "up.log")
    console.tell_once("password: geheim")
    console.box(["password geheim"])
    console.close()
    assert out.getvalue().count("geheim") == 2
    assert (tmp_path / "up.log").read_text() == ""


def test_console_when_the_terminal_is_gone_goes_on(tmp_path: Path) -> None:
    class Gone(io.StringIO):
        def write(self, text: str, /) -> int:
            raise BrokenPipeError

    console = Console(Gone(), tmp_path / "up.log")
    console.say("still here")
    console.close()
    assert (tmp_path / "up.log").read_text() == "desk     | still here\n"
