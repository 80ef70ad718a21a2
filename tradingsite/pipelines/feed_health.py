"""What a live stream says of itself while it runs: prices, counters, how its provider is."""

import time

from django.db.models import Q
from redis import Redis

from domain.bars import from_micros
from marketdata.models import Stream
from marketdata.pending_history import PendingHistory
from marketdata.services.connect_provider import report_health
from marketdata.services.publish_quotes import publish_quotes
from tradingsite.monitoring.alerts import clear_alert, raise_alert
from tradingsite.monitoring.tick_counts import count_ticks
from tradingsite.pipelines.tick_bars import TickBars
from tradingsite.pipelines.tick_link import LinkStatus, TickLink, micros_now

FEED_MUTE = "feed_mute"
QUOTE_SECONDS = 0.25
REPORT_SECONDS = 1.0


class FeedHealth:
    """Reports at most once a second, prices at most four times."""

    def __init__(
        self, stream: Stream, provider_id: int, mute_after_seconds: float, redis: Redis
    ) -> None:
        self._stream = stream
        self._provider_id = provider_id
        self._mute_after = mute_after_seconds
        self._redis = redis
        self._quoted: dict[int, int] = {}
        self._quoted_at = self._reported_at = -REPORT_SECONDS
        self._is_mute = stream.is_mute

    def report(
        self, link: TickLink | None, history: PendingHistory | None, ticks: TickBars | None
    ) -> None:
        """Say what has changed, if it is time."""
        now = time.monotonic()
        if ticks is not None and now - self._quoted_at >= QUOTE_SECONDS:
            self._quoted_at = now
            self._say_prices(ticks)
        if now - self._reported_at < REPORT_SECONDS:
            return
        self._reported_at = now
        if ticks is not None and (counts := ticks.take_counts()):
            count_ticks(self._redis, self._stream.name, counts)
        if link is not None:
            self._say(link.status, is_mute=link.is_mute())
        elif history is not None:
            self._say_polled(history)

    def _say_prices(self, ticks: TickBars) -> None:
        moved = {
            instrument_id: (ts, price)
            for ts, price, instrument_id in ticks.newest()[["ts", "price", "instrument"]].tolist()
            if self._quoted.get(instrument_id) != ts
        }
        self._quoted.update({one: ts for one, (ts, _) in moved.items()})
        publish_quotes(redis=self._redis, stream=self._stream.name, prices=moved)

    def _say_polled(self, history: PendingHistory) -> None:
        state = "down" if history.failure else "connected" if history.answered_at else "idle"
        since = history.failing_since
        is_mute = since is not None and micros_now() - since > self._mute_after * 1e6
        self._say(LinkStatus(state, history.failure, history.answered_at), is_mute=is_mute)

    def _say(self, status: LinkStatus, *, is_mute: bool) -> None:
        heard_at = from_micros(status.message_at) if status.message_at else None
        report_health(
            provider_id=self._provider_id,
            state=status.state,
            reason=status.reason,
            message_at=heard_at,
        )
        changes = {"is_mute": is_mute}
        stream = Stream.objects.filter(pk=self._stream.pk)
        if heard_at is not None:
            newer = Q(data_at__isnull=True) | Q(data_at__lt=heard_at)
            stream.filter(newer | ~Q(is_mute=is_mute)).update(data_at=heard_at, is_mute=is_mute)
        else:
            stream.exclude(**changes).update(**changes)
        if is_mute == self._is_mute:
            return
        self._is_mute = is_mute
        if is_mute:
            raise_alert(
                kind=FEED_MUTE,
                object=self._stream.name,
                message=f"No data for {self._mute_after:g} s while the market is open"
                f" ({status.reason or status.state}); no new positions until it speaks again.",
            )
        else:
            clear_alert(kind=FEED_MUTE, object=self._stream.name)
