"""What /metrics tells Prometheus: read from the record and from Redis when it is asked."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.db import Error as DatabaseError
from django.db import connection, transaction
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from tradingsite.celery import PublishFailures
from tradingsite.monitoring.heartbeats import ages, redis_client
from tradingsite.monitoring.tick_counts import tick_counts
from tradingsite.processes import desk_processes

# name, help, labels, statement whose rows are the labels and then the value
RECORD: tuple[tuple[str, str, tuple[str, ...], str], ...] = (
    (
        "plumbline_orders",
        "Orders by state.",
        ("account", "state"),
        (
            "SELECT a.name, o.state, count(*) FROM execution_order o"
            " JOIN marketdata_account a ON a.id = o.account_id GROUP BY 1, 2"
        ),
    ),
    (
        "plumbline_fills_total",
        "Fills booked.",
        ("account",),
        (
            "SELECT a.name, count(f.id) FROM marketdata_account a"
            " LEFT JOIN execution_fill f ON f.account_id = a.id GROUP BY 1"
        ),
    ),
    (
        "plumbline_equity",
        "Marked equity at the last decided instant.",
        ("account", "currency"),
        (
            "SELECT a.name, a.currency, e.equity FROM marketdata_account a CROSS JOIN LATERAL"
            " (SELECT equity FROM execution_equitypoint WHERE account_id = a.id"
            "  ORDER BY closed_at DESC LIMIT 1) e"
        ),
    ),
    (
        "plumbline_drawdown_ratio",
        "Fall of equity from its peak, as a positive fraction.",
        ("account",),
        (
            "SELECT a.name, CASE WHEN b.peak_equity > 0"
            " THEN greatest(0, 1 - e.equity / b.peak_equity) ELSE 0 END"
            " FROM marketdata_account a JOIN execution_book b ON b.account_id = a.id"
            " CROSS JOIN LATERAL (SELECT equity FROM execution_equitypoint WHERE account_id = a.id"
            "  ORDER BY closed_at DESC LIMIT 1) e"
        ),
    ),
    (
        "plumbline_halted",
        "1 while the kill switch is engaged.",
        ("account",),
        (
            "SELECT a.name, (c.state = 'halted')::int FROM risk_control c"
            " JOIN marketdata_account a ON a.id = c.account_id"
        ),
    ),
    (
        "plumbline_feed_silence_seconds",
        "Seconds since the feed last gave a sign of life.",
        ("stream",),
        (
            "SELECT name, extract(epoch FROM clock_timestamp() - heartbeat_at)"
            " FROM marketdata_stream WHERE heartbeat_at IS NOT NULL"
        ),
    ),
    (
        "plumbline_data_silence_seconds",
        "Seconds since a live stream's provider last brought data.",
        ("stream",),
        (
            "SELECT name, extract(epoch FROM clock_timestamp() - data_at)"
            " FROM marketdata_stream WHERE kind = 'live' AND data_at IS NOT NULL"
        ),
    ),
    (
        "plumbline_feed_mute",
        "1 while a live stream brings nothing although its market is open.",
        ("stream",),
        "SELECT name, is_mute::int FROM marketdata_stream WHERE kind = 'live'",
    ),
    (
        "plumbline_seal_lag_seconds",
        "How late the bars of the last sealed instant were.",
        ("stream",),
        (
            "SELECT t.name, s.lag_ms / 1000.0 FROM marketdata_stream t CROSS JOIN LATERAL"
            " (SELECT lag_ms FROM marketdata_seal WHERE stream_id = t.id"
            "  ORDER BY closed_at DESC LIMIT 1) s"
        ),
    ),
    (
        "plumbline_undecided_instants",
        "Sealed instants the account has not decided, counted up to 1000.",
        ("account",),
        (
            "SELECT a.name, s.behind FROM execution_book b"
            " JOIN marketdata_account a ON a.id = b.account_id CROSS JOIN LATERAL"
            " (SELECT count(*) AS behind FROM (SELECT 1 FROM marketdata_seal"
            "  WHERE stream_id = a.stream_id AND closed_at > b.decided_to LIMIT 1000) x) s"
        ),
    ),
    (
        "plumbline_outbox_due",
        "Messages still to be said to a venue.",
        (),
        "SELECT count(*) FROM execution_outbox WHERE NOT done AND NOT dead",
    ),
    (
        "plumbline_outbox_dead",
        "Messages given up.",
        (),
        "SELECT count(*) FROM execution_outbox WHERE dead",
    ),
    (
        "plumbline_incidents_open",
        "Incidents that wait for a person.",
        (),
        "SELECT count(*) FROM execution_incident WHERE resolved_at IS NULL",
    ),
    (
        "plumbline_alerts_open",
        "Alerts raised and not cleared, by kind.",
        ("kind",),
        "SELECT kind, count(*) FROM tradingsite_alert WHERE cleared_at IS NULL GROUP BY 1",
    ),
)


class RecordCollector(Collector):
    """One statement per metric; a database that does not answer shows as plumbline_up 0."""

    def collect(self) -> Iterator[Metric]:
        """Return the metrics that were read whole."""
        found: list[Metric] = []
        is_up = True
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET LOCAL statement_timeout = '2s'")
                for name, text, labels, statement in RECORD:
                    cursor.execute(statement)
                    found.append(_family(name, text, labels, cursor.fetchall()))
        except DatabaseError:
            is_up = False
        yield _single("plumbline_database_up", "1 while the database answers.", is_up)
        yield from found


class RedisCollector(Collector):
    """Queue lengths and signs of life."""

    def collect(self) -> Iterator[Metric]:
        """Return the metrics of Redis, only whether it is up when it does not answer."""
        lanes = sorted({lane for process in desk_processes() for lane in process.lanes})
        try:
            with redis_client() as redis:
                lengths = [([lane], redis.llen(lane)) for lane in lanes]
                alive = [([name], age) for name, age in sorted(ages(redis).items())]
                ticks = tick_counts(redis)
        except (RedisError, OSError):
            yield _single("plumbline_redis_up", "1 while Redis answers.", value=False)
            return
        yield _single("plumbline_redis_up", "1 while Redis answers.", value=True)
        yield _family(
            "plumbline_queue_length",
            "Tasks waiting.",
            ("lane",),
            [(*labels, value) for labels, value in lengths],
        )
        yield _family(
            "plumbline_process_silence_seconds",
            "Seconds since a worker or beat last gave a sign of life.",
            ("process",),
            [(*labels, value) for labels, value in alive],
        )
        yield _family(
            "plumbline_ticks_total",
            "Ticks of live streams: fine, or why they are in no bar.",
            ("stream", "reason"),
            ticks,
        )


class ProcessCollector(Collector):
    """What this web process itself counted."""

    def collect(self) -> Iterator[Metric]:
        """Return the count of messages that could not be published."""
        counter = CounterMetricFamily(
            "plumbline_publish_failures",
            "Messages this process could not publish; sweepers find the work anyway.",
        )
        counter.add_metric([], PublishFailures.count)
        yield counter


def _family(name: str, text: str, labels: Sequence[str], rows: Sequence[Sequence[Any]]) -> Metric:
    kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
    family = kind(name.removesuffix("_total"), text, labels=list(labels))
    for *values, number in rows:
        family.add_metric([str(value) for value in values], float(number))
    return family


def _single(name: str, text: str, value: bool) -> Metric:  # noqa: FBT001
    return GaugeMetricFamily(name, text, value=float(value))


_registry = CollectorRegistry(auto_describe=False)
for _collector in (RecordCollector(), RedisCollector(), ProcessCollector()):
    _registry.register(_collector)


def metrics_text() -> bytes:
    """Return everything in Prometheus' text format."""
    return generate_latest(_registry)
