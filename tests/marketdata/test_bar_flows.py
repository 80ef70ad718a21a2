"""Bought less sold volume per bar, summed from stored trades."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from domain.bars import Timeframe, to_micros
from domain.ticks import Tick, tick_array
from marketdata.indicators.extras import flow_columns
from marketdata.models import Bar, Instrument
from marketdata.models import Tick as StoredTick
from marketdata.queries import bar_flows
from marketdata.services.partitions import ensure_bar_partitions
from marketdata.services.store_ticks import store_ticks

AT = datetime(2024, 3, 1, 9, 15, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


def instrument_with_bars(symbol: str, count: int) -> int:
    terms = {"tick_size": Decimal("0.01"), "lot_size": Decimal(1)}
    made: int = Instrument.objects.create(venue="LAB", symbol=symbol, **terms).pk
    ensure_bar_partitions(timeframe=Timeframe.M1, first=AT, last=AT)
    prices = dict.fromkeys(("open", "high", "low", "close"), 10.0)
    for place in range(count):
        opened = AT + place * MINUTE
        Bar.objects.create(
            instrument_id=made,
            timeframe="1m",
            opened_at=opened,
            closed_at=opened + MINUTE,
            volume=1.0,
            **prices,
        )
    return made


@pytest.mark.django_db
def test_flows_when_trades_are_stored_are_summed_per_bar() -> None:
    one, other = instrument_with_bars("ONE", 5), instrument_with_bars("TWO", 5)
    last = MINUTE - timedelta(microseconds=1)
    trades = [
        Tick(one, AT - SECOND, 10.0, 90.0, 1),  # before the first bar
        Tick(one, AT, 10.0, 1.0, 1),
        Tick(one, AT, 10.1, 2.5, -1),
        Tick(one, AT + last, 10.2, 4.0, 1),
        Tick(one, AT + MINUTE, 10.2, 8.0, -1),
        Tick(one, AT + MINUTE, 10.2, 16.0),  # nobody says who was the aggressor
        Tick(one, AT + MINUTE, 10.2, None, 1),  # nor this one's size
        Tick(one, AT + 2 * MINUTE, 10.2, 32.0),
        Tick(one, AT + 4 * MINUTE, 10.2, 64.0, 1),
        Tick(other, AT + MINUTE, 20.0, 99.0, 1),
    ]
    store_ticks(ticks=tick_array(trades))
    StoredTick.objects.create(
        instrument_id=one, ts=AT + SECOND, seq=0, price=99.0, size=7.0, side=1, is_suspicious=True
    )
    flows = bar_flows(instrument_id=one, timeframe=Timeframe.M1, since=AT, until=AT + 4 * MINUTE)
    opened = [to_micros(AT), to_micros(AT + MINUTE)]
    assert flows.opened_at.tolist() == opened
    assert flows.net.tolist() == [2.5, -8.0]
    assert flows.traded.tolist() == [7.5, 8.0]

    aligned = flow_columns(flows, np.array([to_micros(AT + n * MINUTE) for n in range(4)]))
    nan = np.nan
    assert np.array_equal(aligned, [[2.5, -8.0, nan, nan], [7.5, 8.0, nan, nan]], equal_nan=True)


@pytest.mark.django_db
def test_flows_when_asked_in_parts_are_the_same_to_the_bit() -> None:
    one = instrument_with_bars("ONE", 6)
    chance = np.random.default_rng(5)
    trades = [
        Tick(one, AT + n * SECOND, 10.0, float(chance.uniform(0.1, 9.0)), int(side))
        for n, side in enumerate(chance.choice([-1, 0, 1], 360))
    ]
    store_ticks(ticks=tick_array(trades))

    def asked(first: int, last: int) -> list[tuple[int, float, float]]:
        flows = bar_flows(
            instrument_id=one,
            timeframe=Timeframe.M1,
            since=AT + first * MINUTE,
            until=AT + last * MINUTE,
        )
        return list(
            zip(flows.opened_at.tolist(), flows.net.tolist(), flows.traded.tolist(), strict=True)
        )

    together = asked(0, 6)
    assert len(together) == 6
    assert together == [row for n in range(6) for row in asked(n, n + 1)]
    sums = [0.0, 0.0]
    for trade in trades[:60]:
        sums[0] += (trade.side or 0) * (trade.size or 0.0)
        sums[1] += abs(trade.side or 0) * (trade.size or 0.0)
    assert together[0][1:] == pytest.approx(sums, rel=1e-12)


@pytest.mark.django_db
def test_flows_when_no_trade_is_stored_are_empty() -> None:
    one = instrument_with_bars("ONE", 2)
    flows = bar_flows(instrument_id=one, timeframe=Timeframe.M1, since=AT, until=AT + MINUTE)
    assert [len(flows.opened_at), len(flows.net), len(flows.traded)] == [0, 0, 0]
