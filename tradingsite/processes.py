"""The processes of a desk, once: `manage.py up` runs them here, compose one per container."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

PARTS = ("web", "beat", "feed", "worker")

# Numeric libraries would start a thread per core in each process; pools are our parallelism.
# Workers also keep their database connections from one task to the next.
WORKER_ENV: Mapping[str, str] = MappingProxyType(
    {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "DATABASE_MAX_AGE_SECONDS": "600"}
)

# Web and trading lanes give up on a lock or a statement soon; imports and learning may wait.
SHORT_TIMEOUTS: Mapping[str, str] = MappingProxyType({"SHORT_DATABASE_TIMEOUTS": "yes"})


@dataclass(frozen=True)
class Process:
    """One process: `argv` begins with the word python, whichever interpreter that is."""

    name: str
    part: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    lanes: tuple[str, ...] = ()

    def command(self) -> list[str]:
        """Return the argv on this machine's interpreter."""
        return [sys.executable, *self.argv[1:]]


def desk_processes(*, host: str = "127.0.0.1", port: int = 8000) -> tuple[Process, ...]:
    """Return every process of a desk, in starting order."""
    return (
        _web(host, port),
        _worker(
            "trading",
            lanes=("ingest", "signals", "execution"),
            children=2,
            env={**WORKER_ENV, **SHORT_TIMEOUTS},
        ),
        # Apart, so that learning never delays trading.
        _worker("learning", lanes=("research", "learning"), children=1),
        _beat(),
        Process("feed", "feed", ("python", "manage.py", "feed")),
    )


def _web(host: str, port: int) -> Process:
    argv = (
        *("python", "-m", "uvicorn", "tradingsite.asgi:application"),
        *("--host", host, "--port", str(port)),
        *("--no-access-log", "--timeout-graceful-shutdown", "2"),
    )
    return Process("web", "web", argv, SHORT_TIMEOUTS)


def _beat() -> Process:
    argv = (
        *("python", "-m", "celery", "-A", "tradingsite", "beat"),
        *("--scheduler", "tradingsite.beat:DeskScheduler"),
        # Jobs run as often as each second; the scheduler's own 5 s would skip them.
        *("--max-interval", "1", "--loglevel", "INFO"),
    )
    return Process("beat", "beat", argv)


def _worker(
    name: str,
    *,
    lanes: tuple[str, ...],
    children: int,
    env: Mapping[str, str] = WORKER_ENV,
) -> Process:
    argv = (
        *("python", "-m", "celery", "-A", "tradingsite", "worker"),
        *("--hostname", f"{name}@%h", "--queues", ",".join(lanes)),
        *("--pool", "prefork", "--concurrency", str(children)),
        *("--prefetch-multiplier", "1", "-O", "fair"),
        *("--without-gossip", "--without-mingle", "--loglevel", "INFO"),
    )
    return Process(name, "worker", argv, env, lanes)
