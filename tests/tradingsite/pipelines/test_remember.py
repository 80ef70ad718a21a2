"""What jobs leave behind."""

import pytest

from tradingsite.models import JobRun
from tradingsite.pipelines.supervision import claim_slot, remember

pytestmark = pytest.mark.django_db


def test_remember_when_the_job_did_something_keeps_what() -> None:
    remember("learn", lambda: {"versions": ["a"]})

    run = JobRun.objects.get()
    assert (run.name, run.state, run.detail) == ("learn", "done", {"versions": ["a"]})
    assert run.finished_at is not None


def test_remember_when_there_was_nothing_to_do_keeps_nothing() -> None:
    remember("learn", lambda: {"versions": []})

    assert not JobRun.objects.exists()


def test_remember_when_the_job_fails_keeps_the_reason_and_raises() -> None:
    def fail() -> dict[str, object]:
        raise ValueError("no data")

    with pytest.raises(ValueError, match="no data"):
        remember("learn", fail)

    run = JobRun.objects.get()
    assert (run.state, run.detail) == ("failed", {"error": "ValueError: no data"})


def test_slot_when_claimed_twice_is_given_once() -> None:
    assert claim_slot("learn", 86_400)
    assert not claim_slot("learn", 86_400)
    assert claim_slot("other", 86_400)
