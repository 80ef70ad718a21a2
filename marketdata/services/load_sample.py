"""The demo: five stocks, their history and splits, and a stream that plays them."""

from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import transaction
from django.db.models import Max

from domain.bars import EPOCH, Timeframe
from marketdata.feeds.sample_stocks import SampleStocksFeed
from marketdata.models import Bar, Instrument, Stream
from marketdata.services.ingest_bars import StoredBars, store_bars
from marketdata.services.record_splits import record_splits

DEMO_STREAM = "demo"
FEED = "sample_stocks"
# 2000 and 2001 are history from the first minute; then a year and a half in fast motion.
HISTORY_ENDS = datetime(2002, 1, 1, tzinfo=UTC)
FAST_UNTIL = datetime(2003, 7, 1, tzinfo=UTC)
WORKING_DAY_SECONDS = 8 * 3600


@dataclass(frozen=True, slots=True)
class LoadedSample:
    """What loading the demo changed."""

    instruments: int
    bars: StoredBars
    splits: int


def load_sample() -> LoadedSample:
    """Bring the demo's instruments, bars and splits into the record; twice changes nothing."""
    feed = SampleStocksFeed()
    instruments = splits = 0
    bars = StoredBars()
    with transaction.atomic():
        for one in feed.instruments():
            instrument, is_new = Instrument.objects.get_or_create(
                venue=one.venue,
                symbol=one.symbol,
                defaults={
                    "kind": one.kind,
                    "currency": one.currency,
                    "tick_size": one.tick_size,
                    "lot_size": one.lot_size,
                    "calendar": one.calendar,
                },
            )
            instruments += is_new
            bars += store_bars(
                instrument_id=instrument.pk,
                timeframe=Timeframe.D1,
                bars=feed.history(
                    symbol=one.symbol,
                    timeframe=Timeframe.D1,
                    since=EPOCH,
                    until=datetime.now(UTC),
                ),
            )
            splits += record_splits(
                instrument_id=instrument.pk,
                splits=feed.splits(symbol=one.symbol),
                source=f"{FEED}: raw and adjusted close",
            )
    return LoadedSample(instruments, bars, splits)


def create_demo_stream(name: str = DEMO_STREAM) -> Stream:
    """Return the stream that plays the loaded demo, made if it is missing, else as it is."""
    stored = Stream.objects.filter(name=name).first()
    if stored is not None:
        return stored
    offered = [(one.venue, one.symbol) for one in SampleStocksFeed().instruments()]
    instruments = [Instrument.objects.get(venue=venue, symbol=symbol) for venue, symbol in offered]
    played = Bar.objects.filter(instrument__in=instruments, timeframe=Timeframe.D1.value)
    paced = played.filter(closed_at__gt=FAST_UNTIL).values("closed_at").distinct().count()
    with transaction.atomic():
        stream = Stream.objects.create(
            name=name,
            kind="replay",
            feed=FEED,
            timeframes=[Timeframe.D1.value],
            sealed_to=HISTORY_ENDS,
            fast_until=FAST_UNTIL,
            ends_at=played.aggregate(last=Max("closed_at"))["last"],
            pace_seconds=round(WORKING_DAY_SECONDS / max(paced, 1), 2),
        )
        stream.instruments.set(instruments)
    return stream
