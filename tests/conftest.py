"""What every test may ask for."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from execution.services.open_account import open_account
from marketdata.models import Account, Instrument, Stream
from marketdata.services.load_sample import load_sample
from strategies.models import Bot

DESK_START = datetime(2005, 1, 1, tzinfo=UTC)


@pytest.fixture
def sample_desk() -> Callable[..., tuple[Stream, Account, Bot]]:
    """Return a maker of a small desk on the sample stocks: stream, account, running bot."""

    def make(
        start: datetime = DESK_START, symbols: tuple[str, ...] = ()
    ) -> tuple[Stream, Account, Bot]:
        load_sample()
        stream = Stream.objects.create(
            name="test", kind="replay", feed="replay", timeframes=["1d"], sealed_to=start
        )
        chosen = Instrument.objects.filter(symbol__in=symbols) if symbols else None
        instruments = list(chosen if chosen is not None else Instrument.objects.all())
        stream.instruments.set(instruments)
        account = open_account(name="test", stream=stream, cash=Decimal(1_000_000))
        bot = Bot.objects.create(
            name="follow",
            account=account,
            strategy="weighted_composite",
            timeframe="1d",
            state="running",
            stage="paper",
        )
        bot.instruments.set(instruments)
        return stream, account, bot

    return make
