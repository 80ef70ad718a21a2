"""Replay: stored bars through the real queue and workers, as fast as they go, in a sandbox."""

import json
import sys
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.db import connection, transaction

from domain.bars import Timeframe
from domain.errors import PlumblineError
from domain.signals import DEFAULT_WEIGHTS
from execution.queries import accounts_with_work, decided_to, frozen_accounts, next_step
from execution.services.open_account import open_account
from marketdata.indicators.compiled import make_ready
from marketdata.indicators.registry import make_indicator
from marketdata.models import Instrument, Stream
from marketdata.queries import find_instruments
from marketdata.services.ingest_bars import seal_instants
from mlweights.models import WeightVersion
from strategies.bots.registry import load_strategies, make_strategy
from strategies.models import Bot
from tradingsite import env
from tradingsite.celery import app, nudge
from tradingsite.embedded.redis import start_redis
from tradingsite.invariants import violations
from tradingsite.models import JobRun
from tradingsite.sandbox import database
from tradingsite.sandbox.report import Timing, report
from tradingsite.sandbox.workers import Workers

SEALS_AHEAD = 64
LOCKSTEP_INSTANTS = 250
SWEEP_SECONDS = 1.0
FROZEN_SECONDS = 5
PROGRESS_SECONDS = 1.0
PATIENCE_SECONDS = 120.0
ACCOUNT = "replay"
DEFAULT_STRATEGY = "weighted_composite"

Progress = Callable[[str], None]


class NothingToReplayError(PlumblineError):
    """No bars lie in the range."""

    code = "nothing_to_replay"


class UnknownBotError(PlumblineError):
    """The name is neither a bot of the desk nor a strategy."""

    code = "unknown_bot"


class ReplayStuckError(PlumblineError):
    """The workers do not come on."""

    code = "replay_stuck"


class BrokenReplayError(PlumblineError):
    """The sandbox's record breaks an invariant."""

    code = "invariant_broken"


@dataclass(frozen=True, slots=True)
class PinnedWeights:
    """A weight version a replay runs under, by value."""

    label: str
    instrument_id: int
    timeframe: str
    weights: list[Any]
    buy_threshold: int
    sell_threshold: int
    valid_from: str


@dataclass(frozen=True, slots=True)
class BotSpec:
    """A bot of the sandbox."""

    name: str
    strategy: str
    parameters: dict[str, Any]
    capital: Decimal | None = None


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """What is replayed: the same plan gives the same hashes."""

    instruments: tuple[int, ...]
    names: tuple[str, ...]
    timeframe: str
    timeframes: tuple[str, ...]  # that of the bots and those their indicators look at
    since: datetime
    until: datetime
    bots: tuple[BotSpec, ...]
    weights: tuple[PinnedWeights, ...]
    cash: Decimal
    instants: tuple[tuple[datetime, int], ...]
    data: str

    def arguments(self) -> str:
        """Return everything the result depends on as one text."""
        plain = asdict(self)
        plain["instants"] = len(self.instants)
        return json.dumps(plain, default=str, sort_keys=True)


def plan_replay(
    *,
    instruments: Sequence[str],
    timeframe: str,
    first_day: date,
    last_day: date,
    bots: Sequence[str],
    pin: str,
    cash: Decimal,
) -> ReplayPlan:
    """Return the plan, everything looked up and checked on the desk."""
    frame = Timeframe.parse(timeframe)
    if last_day < first_day:
        raise NothingToReplayError(f"--to {last_day} lies before --from {first_day}")
    found = sorted(set(find_instruments(instruments)), key=lambda one: (one.venue, one.symbol))
    ids = tuple(one.pk for one in found)
    since = datetime(first_day.year, first_day.month, first_day.day, tzinfo=UTC)
    end = datetime(last_day.year, last_day.month, last_day.day, tzinfo=UTC) + timedelta(days=1)
    until = end if frame.seconds <= Timeframe.D1.seconds else end + frame.length
    instants = _instants(ids, frame, since, until)
    if not instants:
        names = ", ".join(str(one) for one in found)
        raise NothingToReplayError(
            f"no {timeframe} bars of {names} from {first_day} to {last_day};"
            " import_bars brings some"
        )
    specs = _bots(bots)
    weights = _pinned(ids, frame.value) if pin == "active" else ()
    timeframes = _timeframes(frame, specs, weights)
    return ReplayPlan(
        instruments=ids,
        names=tuple(str(one) for one in found),
        timeframe=frame.value,
        timeframes=timeframes,
        since=since,
        until=instants[-1][0],
        bots=specs,
        weights=weights,
        cash=cash,
        instants=tuple(instants),
        data=_fingerprint(ids, timeframes, instants[-1][0]),
    )


def _timeframes(
    frame: Timeframe, bots: Sequence[BotSpec], weights: Sequence[PinnedWeights]
) -> tuple[str, ...]:
    """Return the bots' timeframe and every other one their indicators look at."""
    names = {name for one in weights for name, _ in one.weights}
    for spec in bots:
        for own in make_strategy(spec.strategy, spec.parameters).weight_sets().values():
            names |= set(own.names)
    seen = {name.partition("@")[2] for name in names} - {"", frame.value}
    return (frame.value, *sorted(seen))


def run_replay(
    plan: ReplayPlan, *, workers: int, keep: bool, export: Path | None, progress: Progress
) -> dict[str, Any]:
    """Run the plan in its sandbox, or go on where a killed run stopped; return the report."""
    name = database.sandbox_name(plan.arguments())
    with database.sole_user(name):
        _prepare(name, plan, progress)
        redis = start_redis(database.redis_folder(name))
        try:
            with database.using(name), _broker(redis.url):
                urls = {"DATABASE_URL": database.url_of(name), "REDIS_URL": redis.url}
                urls["REDIS_LIVE_URL"] = redis.url
                log = database.redis_folder(name) / "workers.log"
                with Workers(workers, sys.executable, urls, log) as crew:
                    timing = _Driver(plan, crew, progress).run()
                answer = report(timing, export)
                broken = violations()
                if broken:
                    which = ", ".join(one.invariant.name for one in broken)
                    raise BrokenReplayError(f"the sandbox {name} breaks: {which}; it is kept")
                JobRun.objects.filter(name="replay").update(state="done")
        finally:
            redis.stop()
        if keep:
            progress(f"kept: DATABASE_URL={_shown(database.url_of(name))}")
            answer["sandbox"] = name
        else:
            database.drop(name)
    return answer


class _Driver:
    """Feed, sweeper and supervisor of one sandbox."""

    def __init__(self, plan: ReplayPlan, crew: Workers, progress: Progress) -> None:
        self._plan = plan
        self._crew = crew
        self._progress = progress
        stream = Stream.objects.get()
        self._stream_id = stream.pk
        self._account_id = _account_id()
        self._sealed_to = stream.sealed_to
        self._swept_at = self._said_at = self._moved_at = time.monotonic()
        self._decided_to = decided_to(self._account_id)

    def run(self) -> Timing:
        """Seal up to 64 instants ahead of the decisions, the last ones in lockstep."""
        instants = self._plan.instants
        cut = max(0, len(instants) - LOCKSTEP_INSTANTS)
        if len(instants) <= 2 * LOCKSTEP_INSTANTS:
            cut = len(instants) // 2
        self._await_workers()
        started = time.monotonic()
        before = self._decided_to
        self._deliver(instants[:cut], ahead=SEALS_AHEAD)
        seconds = time.monotonic() - started
        bars = sum(count for at, count in instants[:cut] if at > before)
        lockstep_after = instants[cut - 1][0] if cut else self._plan.since
        self._deliver(instants[cut:], ahead=1)
        return Timing(lockstep_after, bars, seconds)

    def _await_workers(self) -> None:
        """Wait until a worker has looked at the account once: its start is not the walk's time."""
        nudge(self._account_id)
        deadline = time.monotonic() + PATIENCE_SECONDS
        with connection.cursor() as cursor:
            while time.monotonic() < deadline:
                cursor.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                    " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
                )
                if cursor.fetchone()[0]:
                    return
                self._crew.tend()
                time.sleep(0.02)
        raise ReplayStuckError("no worker of the sandbox started; its log says why")

    def _deliver(self, instants: Sequence[tuple[datetime, int]], *, ahead: int) -> None:
        waiting = [one for one in instants if one[0] > self._sealed_to]
        known = [at for at, _ in self._plan.instants]
        pause = 0.0005 if ahead == 1 else 0.003
        while True:
            self._look()
            behind = _count_between(known, self._decided_to, self._sealed_to)
            room = ahead - behind
            if waiting and room > 0 and (behind == 0 or ahead > 1):
                self._seal(waiting[:room], wake=behind == 0)
                waiting = waiting[room:]
            elif not waiting and behind == 0 and next_step(self._account_id) is None:
                return
            else:
                time.sleep(pause)

    def _seal(self, batch: Sequence[tuple[datetime, int]], *, wake: bool) -> None:
        with transaction.atomic():
            seal_instants(stream_id=self._stream_id, instants=list(batch))
            if wake:
                nudge(self._account_id)
        self._sealed_to = batch[-1][0]

    def _look(self) -> None:
        """Read how far the decisions are; sweep, tend the workers, say how it goes."""
        now = time.monotonic()
        seen = decided_to(self._account_id)
        if seen != self._decided_to:
            self._decided_to, self._moved_at = seen, now
        if now - self._swept_at >= SWEEP_SECONDS:
            self._swept_at = now
            self._crew.tend()
            frozen = set(frozen_accounts(FROZEN_SECONDS))
            for account_id in accounts_with_work():
                nudge(account_id, force=account_id in frozen)
        if now - self._said_at >= PROGRESS_SECONDS:
            self._said_at = now
            share = (seen - self._plan.since) / (self._plan.until - self._plan.since)
            self._progress(f"{share:4.0%}  {seen:%Y-%m-%d %H:%M} UTC")
        if now - self._moved_at > PATIENCE_SECONDS:
            raise ReplayStuckError("no instant was decided for two minutes; see the workers' log")


def _prepare(name: str, plan: ReplayPlan, progress: Progress) -> None:
    """Make the sandbox, unless an unfinished one is there to be continued."""
    if database.exists(name):
        with database.using(name):
            if JobRun.objects.filter(name="replay", state="running").exists():
                progress("going on where the last run of this replay stopped")
                return
        database.drop(name)
    progress("making machine code of the indicators")
    for spec in plan.bots:
        sets = make_strategy(spec.strategy, spec.parameters).weight_sets().values()
        names = {name for own in sets for name in own.names} | {*DEFAULT_WEIGHTS.names, "regime"}
        make_ready(make_indicator(name.partition("@")[0]) for name in sorted(names))
    progress("making the sandbox")
    database.create(name)
    database.copy_market(name, plan.instruments, plan.timeframes, plan.until)
    with database.using(name):
        _open_sandbox(plan)


@transaction.atomic
def _open_sandbox(plan: ReplayPlan) -> None:
    stream = Stream.objects.create(
        name="replay",
        kind="replay",
        feed="replay",
        timeframes=list(plan.timeframes),
        sealed_to=plan.since,
        ends_at=plan.until,
    )
    instruments = list(Instrument.objects.filter(pk__in=plan.instruments))
    stream.instruments.set(instruments)
    account = open_account(name=ACCOUNT, stream=stream, cash=plan.cash)
    for spec in plan.bots:
        bot = Bot.objects.create(
            name=spec.name,
            account=account,
            strategy=spec.strategy,
            parameters=spec.parameters,
            timeframe=plan.timeframe,
            capital=spec.capital,
            stage="paper",
            state="running",
        )
        bot.instruments.set(instruments)
    for pinned in plan.weights:
        WeightVersion.objects.create(
            label=pinned.label,
            instrument_id=pinned.instrument_id,
            timeframe=pinned.timeframe,
            weights=pinned.weights,
            buy_threshold=pinned.buy_threshold,
            sell_threshold=pinned.sell_threshold,
            optimizer="pinned",
            state="retired",
            valid_from=pinned.valid_from,
        )
    # Written last: a sandbox killed while it was being made has no row and is made again.
    JobRun.objects.create(name="replay", detail={"arguments": plan.arguments()})


def _instants(
    ids: Sequence[int], frame: Timeframe, since: datetime, until: datetime
) -> list[tuple[datetime, int]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT closed_at, count(*) FROM marketdata_bar WHERE instrument_id = ANY(%s)"
            " AND timeframe = %s AND opened_at >= %s AND closed_at <= %s AND known_at IS NULL"
            " GROUP BY 1 ORDER BY 1",
            (list(ids), frame.value, since, until),
        )
        return [(at, count) for at, count in cursor.fetchall() if at > since]


def _fingerprint(ids: Sequence[int], timeframes: Sequence[str], until: datetime) -> str:
    """Return a hash over every bar, split, gap and revision the replay can see."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT md5(coalesce(string_agg(md5(b::text), '' ORDER BY b.instrument_id,"
            " b.timeframe, b.opened_at), '')) FROM marketdata_bar b WHERE b.instrument_id = ANY(%s)"
            " AND b.timeframe = ANY(%s) AND b.closed_at <= %s",
            (list(ids), list(timeframes), until),
        )
        bars = cursor.fetchone()[0]
        cursor.execute(
            "SELECT md5(coalesce(string_agg(instrument_id || '@' || effective_at || '@' || ratio,"
            " ',' ORDER BY instrument_id, effective_at), '')) FROM marketdata_split"
            " WHERE instrument_id = ANY(%s)",
            (list(ids),),
        )
        splits = cursor.fetchone()[0]
        cursor.execute(
            "SELECT md5(coalesce(string_agg(one::text, ',' ORDER BY one::text), '')) FROM ("
            " SELECT instrument_id, first_opened_at, last_opened_at, known_from, settled_to"
            " FROM marketdata_datagap"
            " WHERE instrument_id = ANY(%(ids)s) AND timeframe = ANY(%(frames)s)"
            " UNION ALL SELECT instrument_id, first_opened_at, last_opened_at, known_from, NULL"
            " FROM marketdata_datarevision"
            " WHERE instrument_id = ANY(%(ids)s) AND timeframe = ANY(%(frames)s)"
            " UNION ALL SELECT instrument_id, valid_from, as_of, valid_from, NULL"
            " FROM mlweights_regimemodel"
            " WHERE instrument_id = ANY(%(ids)s) AND timeframe = ANY(%(frames)s)) one",
            {"ids": list(ids), "frames": list(timeframes)},
        )
        return f"{bars}{splits}{cursor.fetchone()[0]}"


def _bots(names: Sequence[str]) -> tuple[BotSpec, ...]:
    """Return the specs: a bot of the desk by name, else a strategy with its defaults."""
    specs = []
    for name in names or (DEFAULT_STRATEGY,):
        bot = Bot.objects.filter(name=name).first()
        if bot is not None:
            specs.append(BotSpec(bot.name, bot.strategy, dict(bot.parameters), bot.capital))
        elif name in load_strategies():
            specs.append(BotSpec(name, name, {}))
        else:
            known = [*Bot.objects.values_list("name", flat=True), *load_strategies()]
            raise UnknownBotError(f"unknown bot '{name}'; known: {', '.join(known)}")
    for spec in specs:
        make_strategy(spec.strategy, spec.parameters)
    return tuple(sorted(_unique(specs), key=lambda spec: spec.name))


def _unique(specs: Sequence[BotSpec]) -> list[BotSpec]:
    return list({spec.name: spec for spec in specs}.values())


def _pinned(ids: Sequence[int], timeframe: str) -> tuple[PinnedWeights, ...]:
    """Return every version that ever decided these instruments on the desk, by value."""
    versions = WeightVersion.objects.filter(
        instrument_id__in=ids, timeframe=timeframe, valid_from__isnull=False
    ).order_by("label")
    return tuple(
        PinnedWeights(
            label=one.label,
            instrument_id=one.instrument_id or 0,
            timeframe=one.timeframe,
            weights=one.weights,
            buy_threshold=one.buy_threshold,
            sell_threshold=one.sell_threshold,
            valid_from=one.valid_from.isoformat() if one.valid_from else "",
        )
        for one in versions
    )


def _account_id() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM marketdata_account WHERE name = %s", (ACCOUNT,))
        return int(cursor.fetchone()[0])


def _count_between(instants: Sequence[datetime], after: datetime, to: datetime) -> int:
    """Return how many of the rising instants lie in (after, to]."""
    return bisect_right(instants, to) - bisect_right(instants, after)


class _broker:  # noqa: N801  (reads as what it does: with _broker(url))
    """Publish to another Redis meanwhile."""

    def __init__(self, url: str) -> None:
        self._url = env.celery_broker_url(url)

    def __enter__(self) -> None:
        self._before = app.conf.broker_url
        self._switch(self._url)

    def __exit__(self, *_: object) -> None:
        self._switch(self._before)

    @staticmethod
    def _switch(url: str) -> None:
        celery: Any = app  # Celery has no public way to change its broker
        celery.conf.broker_url = celery.conf.broker_write_url = celery.conf.broker_read_url = url
        celery._pool = None
        celery.amqp._producer_pool = None


def _shown(url: str) -> str:
    """Return the URL without its password."""
    head, at, tail = url.rpartition("@")
    if not at:
        return url
    scheme, _, credentials = head.partition("://")
    return f"{scheme}://{credentials.partition(':')[0]}@{tail}"
