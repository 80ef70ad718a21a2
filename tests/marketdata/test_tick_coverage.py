import pytest

from marketdata.tick_coverage import JOIN_MARGIN, TickCoverage

MINUTE = 60_000_000
TOLERANCE = 2_000_000


def covered(coverage: TickCoverage, minutes: int = 8) -> str:
    """Return one letter per minute: w where its bar is whole."""
    spans = [(at * MINUTE, (at + 1) * MINUTE) for at in range(minutes)]
    return "".join("w" if coverage.is_whole(*span) else "-" for span in spans)


def fresh(whole_to: int = 0, *, is_connected: bool = False) -> TickCoverage:
    return TickCoverage(whole_to=whole_to, is_connected=is_connected, tolerance=TOLERANCE)


def test_coverage_when_never_joined_is_whole_nowhere() -> None:
    assert covered(fresh()) == "--------"


def test_coverage_when_joined_begins_with_the_next_bar() -> None:
    coverage = fresh()
    coverage.joined(2 * MINUTE + 5)
    assert covered(coverage) == "---wwwww"


@pytest.mark.parametrize(
    ("at", "expected"), [(3 * MINUTE - JOIN_MARGIN, "---w"), (3 * MINUTE, "----")]
)
def test_coverage_when_joined_at_the_minute_does_not_trust_the_first_second(
    at: int, expected: str
) -> None:
    coverage = fresh()
    coverage.joined(at)
    assert covered(coverage, 4) == expected


def test_coverage_when_left_and_joined_has_a_hole() -> None:
    coverage = fresh(is_connected=True)
    coverage.left(2 * MINUTE + 10_000_000)
    assert covered(coverage) == "ww------"
    coverage.joined(4 * MINUTE + 1)
    assert covered(coverage) == "ww---www"


def test_coverage_when_left_just_after_the_minute_doubts_the_one_before() -> None:
    coverage = fresh(is_connected=True)
    coverage.left(2 * MINUTE + TOLERANCE - 1)  # older ticks may still have been on their way
    assert covered(coverage, 4) == "w---"


def test_coverage_when_killed_without_a_word_is_whole_to_its_last_tick() -> None:
    coverage = fresh(is_connected=True)
    coverage.saw(3 * MINUTE + 30_000_000)
    coverage.saw(3 * MINUTE)
    coverage.joined(5 * MINUTE + 1)
    assert covered(coverage) == "www---ww"


def test_coverage_when_left_twice_keeps_the_first_hole() -> None:
    coverage = fresh(is_connected=True)
    coverage.left(2 * MINUTE + 30_000_000)
    coverage.left(0)
    coverage.joined(3 * MINUTE + 1)
    assert covered(coverage) == "ww--wwww"


def test_coverage_when_several_holes_pass_forgets_them() -> None:
    coverage = fresh(is_connected=True)
    for minute in (1, 4):
        coverage.left(minute * MINUTE + 30_000_000)
        coverage.joined(minute * MINUTE + 40_000_000)
    assert covered(coverage) == "w-ww-www"
    coverage.forget(3 * MINUTE)
    assert covered(coverage) == "wwww-www"
