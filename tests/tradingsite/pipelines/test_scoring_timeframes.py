"""Scores over several timeframes, and by indicators that read sessions."""

import math
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from domain.bars import Bar as BarValue
from domain.bars import Timeframe, series_of, to_micros
from domain.signals import WeightSet
from execution.trade_cycle import ScoredBar
from marketdata.indicators.blocks import indicator_matrix
from marketdata.indicators.columns import CLOSE
from marketdata.indicators.registry import (
    INDICATORS,
    indicator_set,
    load_indicators,
    make_indicator,
)
from marketdata.models import DataGap, Instrument
from marketdata.queries import extras_for, instrument_terms
from marketdata.services.ingest_bars import store_bars
from mlweights.queries import DatedWeights
from tradingsite.pipelines.scoring import Folds, Watched

pytestmark = pytest.mark.django_db

M5, H1 = Timeframe.M5, Timeframe.H1
START = datetime(2024, 3, 4, tzinfo=UTC)  # a Monday: blocks of 5m bars begin on it
NAMES = ("rsi", "vwap", "rsi:period=7@1h", "supertrend@1h")
WEIGHTS = WeightSet(NAMES, (0.4, 0.2, 0.3, 0.1), 300_000_000, -300_000_000)


def bars_of(timeframe: Timeframe, count: int, seed: int) -> list[BarValue]:
    """Return a random walk without a pause."""
    chance, close, bars = random.Random(seed), 100.0, []
    for place in range(count):
        begin, close = close, round(close * math.exp(chance.gauss(0.0, 0.004)), 2)
        opened = START - timedelta(days=3) + place * timeframe.length
        high, low = max(begin, close) + 0.05, min(begin, close) - 0.05
        volume = float(chance.randrange(1, 900))
        bars.append(BarValue(opened, opened + timeframe.length, begin, high, low, close, volume))
    return bars


@pytest.fixture
def coin(db: None) -> Watched:
    """Return a coin with five days of bars of both timeframes."""
    instrument = Instrument.objects.create(
        venue="SIM", symbol="COIN", tick_size=Decimal("0.01"), lot_size=Decimal(1), calendar="24/7"
    )
    for timeframe, count, seed in ((M5, 1440, 1), (H1, 120, 2)):
        store(instrument.pk, timeframe, bars_of(timeframe, count, seed))
    terms = instrument_terms([instrument.pk])[instrument.pk]
    dated = DatedWeights(1, "both", START - timedelta(days=99), WEIGHTS)
    return Watched(terms, M5, {"": dated}, make_indicator("regime"))


def store(instrument_id: int, timeframe: Timeframe, bars: list[BarValue]) -> None:
    store_bars(instrument_id=instrument_id, timeframe=timeframe, bars=series_of(bars))


def score(folds: Folds, one: Watched, at: datetime) -> ScoredBar:
    return folds.score([one], closed_at=at, sealed_to=START + timedelta(days=9))[one.key]


def values(timeframe: Timeframe, names: tuple[str, ...], count: int, seed: int, one: Watched):
    """Return each name's values per closing instant, as batch computes them."""
    series, chosen = series_of(bars_of(timeframe, count, seed)), indicator_set(names)
    extras = extras_for(terms=one.terms, timeframe=timeframe, indicators=chosen)
    matrix = indicator_matrix(series, timeframe, chosen, extras=extras)
    rows = [[None if math.isnan(x) else x for x in row] for row in matrix.normalised.tolist()]
    return series.closed_at, rows


def test_score_when_two_timeframes_count_uses_the_last_closed_bar_of_each(coin: Watched) -> None:
    short_at, short = values(M5, ("rsi", "vwap"), 1440, 1, coin)
    long_at, long = values(H1, ("rsi:period=7", "supertrend"), 120, 2, coin)
    kept = Folds()
    for step in range(0, 300, 7):
        at = START + step * M5.length
        ours = score(kept, coin, at)
        assert ours == score(Folds(), coin, at)
        place = short_at.tolist().index(to_micros(at))
        hour = int((long_at <= to_micros(at)).sum()) - 1
        assert list(ours.normalised) == [*short[place], *long[hour]]
        assert long_at[hour] <= to_micros(at)
        assert ours.raw_before != ours.raw


def test_score_when_the_longer_timeframe_has_no_bar_yet_goes_without_it(coin: Watched) -> None:
    first = START - timedelta(days=3) + 20 * M5.length  # one hour bar, no value from it
    ours = score(Folds(), coin, first)
    assert ours.score.missing == ("rsi:period=7@1h", "supertrend@1h")
    assert ours.score.value is not None


def test_score_when_the_longer_timeframe_has_a_hole_is_withheld(coin: Watched) -> None:
    at = START + timedelta(hours=5)
    assert not score(Folds(), coin, at).blocked
    hour = START + timedelta(hours=2)
    DataGap.objects.create(
        instrument_id=coin.terms.id, timeframe="1h", first_opened_at=hour, last_opened_at=hour,
        bars=1, state="open", known_from=hour + H1.length,
    )  # fmt: skip
    blocked = score(Folds(), coin, at)
    assert (blocked.score.value, "2024-03-04 02:00" in blocked.blocked) == (None, True)
    assert not score(Folds(), coin, START + timedelta(hours=2)).blocked


def raising_kernel(bars, _start, first, last, _state, _numbers, out):
    for i in range(first, last):
        if bars[CLOSE, i] > 0.0:
            raise ValueError("no such luck")
        out[0, i - first] = out[1, i - first] = 0.0


@pytest.fixture
def raising() -> Iterator[str]:
    """Return the name of an indicator that raises at every bar."""
    usual = indicator_set(("rsi",))[0]
    planted = replace(usual, name="raising", kernel=raising_kernel, size=0, warmup=0)
    load_indicators().add("raising", lambda: planted)
    yield "raising"
    del INDICATORS._plugins["raising"]


def test_score_when_one_plug_in_raises_takes_only_its_own_scores_with_it(
    coin: Watched, raising: str
) -> None:
    weights = WeightSet((raising, "rsi"), (0.5, 0.5), 300_000_000, -300_000_000)
    dated = DatedWeights(2, "bad", START - timedelta(days=99), weights)
    bad = replace(coin, weights={"": dated}, source="bad")
    kept, at = Folds(), START + timedelta(hours=5)
    for instant in (at, at + M5.length):
        found = kept.score([bad, coin], closed_at=instant, sealed_to=instant)
        assert found == {coin.key: score(Folds(), coin, instant)}
        assert "no such luck" in kept.failures[bad.key]
    assert score(kept, coin, at) == score(Folds(), coin, at)
    assert kept.failures == {}
