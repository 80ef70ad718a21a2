"""The beat jobs as shipped; `sync_schedule` writes them, the admin may change them after."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Job:
    """One periodic task: its name, how often, on which lane, and why it exists."""

    task: str
    every_seconds: int
    queue: str
    why: str


BEAT_SCHEDULE = (
    Job("ingest", 60, "ingest", "store history the feeds have and we have not"),
    Job("care", 60, "research", "find holes and odd bars, ask providers for what is missing"),
    Job("tidy", 600, "research", "pack bars for reading, drop partitions past their retention"),
    Job("score", 5, "signals", "catch up accounts that are behind their stream"),
    Job("execute", 1, "execution", "send what the outbox holds"),
    Job("sweep", 1, "signals", "find work whose message was lost"),
    Job("retrain", 120, "learning", "learn weights where enough bars are new"),
    Job("reconcile", 60, "execution", "compare open orders with the venues"),
    Job("mark_to_market", 15, "signals", "mark accounts, watch their drawdown"),
    Job("health", 10, "execution", "raise and clear alerts about the desk itself"),
)
