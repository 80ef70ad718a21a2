"""The shared suite over the whole registry, and proof that it catches what it must."""

import math
from pathlib import Path

import pytest

from domain.bars import Timeframe
from marketdata.indicators.registry import (
    Indicator,
    IndicatorParams,
    indicator_set,
    load_indicators,
)
from tests.marketdata.indicators import suite

INDICATORS = indicator_set(tuple(load_indicators()))
PAGES = Path(__file__).parents[3] / "docs" / "indicators"

every_indicator = pytest.mark.parametrize("indicator", INDICATORS, ids=lambda one: one.name)


@every_indicator
@pytest.mark.parametrize("timeframe", [Timeframe.D1, Timeframe.H1, Timeframe.M5])
def test_batch_when_later_bars_are_cut_stays_the_same(
    indicator: Indicator, timeframe: Timeframe
) -> None:
    bars = suite.bars_at(suite.daily_bars("AAPL")[:700], timeframe)
    suite.check_no_look_ahead(suite.batch_of(indicator, timeframe), bars, cuts=12, seed=31)


@every_indicator
@pytest.mark.parametrize("timeframe", [Timeframe.D1, Timeframe.H1, Timeframe.M5])
def test_streaming_when_stepped_over_blocks_equals_batch(
    indicator: Indicator, timeframe: Timeframe
) -> None:
    bars = suite.bars_at(suite.daily_bars("MSFT")[:1500], timeframe)
    compute = suite.batch_of(indicator, timeframe)
    suite.check_streaming_equals_batch(indicator, compute, bars, timeframe)


@every_indicator
def test_step_when_two_markets_interleave_remembers_nothing(indicator: Indicator) -> None:
    suite.check_pure(indicator, suite.daily_bars("AAPL")[:900], suite.daily_bars("IBM")[:900])


@every_indicator
@pytest.mark.parametrize("kind", suite.price_kinds())
def test_values_when_early_are_nan_and_then_within_bounds(indicator: Indicator, kind: str) -> None:
    suite.check_shape(indicator, suite.price_kinds()[kind])


@every_indicator
@pytest.mark.parametrize("kind", suite.price_kinds())
def test_bits_when_begun_at_200_random_bars_agree_after_warm_up(
    indicator: Indicator, kind: str
) -> None:
    suite.check_warm_up(indicator, suite.price_kinds()[kind], starts=200, seed=97)


@every_indicator
@pytest.mark.parametrize("scale", [1e-300, 1e-12, 1e12, 1e300])
def test_values_when_prices_are_tiny_or_huge_stay_finite(
    indicator: Indicator, scale: float
) -> None:
    closes = [bar.close / 100.0 * scale for bar in suite.walk_bars(400, seed=8)]
    suite.check_shape(indicator, suite.made_bars(closes, 0.01))


@every_indicator
def test_normalised_when_prices_scale_by_a_power_of_two_keeps_its_bits(
    indicator: Indicator,
) -> None:
    closes = [bar.close for bar in suite.walk_bars(500, seed=12)]
    usual = suite.fold_over(indicator, suite.made_bars(closes, 0.0))
    scaled = suite.fold_over(indicator, suite.made_bars([64.0 * close for close in closes], 0.0))
    assert [repr(pair[1]) for pair in scaled] == [repr(pair[1]) for pair in usual]


@every_indicator
def test_normalised_when_prices_are_real_varies(indicator: Indicator) -> None:
    suite.check_varies(indicator, suite.daily_bars("AAPL"))


@every_indicator
def test_normalised_when_market_rises_is_bullish_and_falls_bearish(indicator: Indicator) -> None:
    rising = suite.made_bars([100.0 + 0.04 * day**1.5 for day in range(120)], 0.001)
    falling = suite.made_bars([100.0 - 0.04 * day**1.5 for day in range(120)], 0.001)
    assert suite.fold_over(indicator, rising)[-1][1] > 0.0
    assert suite.fold_over(indicator, falling)[-1][1] < 0.0


@every_indicator
def test_normalised_when_nothing_ever_moves_is_zero(
    indicator: Indicator,
) -> None:
    assert suite.fold_over(indicator, suite.made_bars([7.7] * 300))[-1][1] == 0.0


@every_indicator
def test_docs_page_when_looked_for_names_the_indicators_facts(indicator: Indicator) -> None:
    page = (PAGES / f"{indicator.name}.md").read_text()
    for heading in ("## Formula", "## Source", "## Normalised", "## Parameters", "## Limits"):
        assert heading in page, heading
    assert f"first value: bar {indicator.first_value + 1}" in page
    assert f"warm-up: {indicator.warmup} bars" in page
    for name in (*indicator.outputs, *indicator.params.__dataclass_fields__):
        assert f"`{name}`" in page, name


def test_docs_pages_when_listed_belong_to_indicators() -> None:
    pages = {page.stem for page in PAGES.glob("*.md")} - {"index"}
    assert pages == {one.name for one in INDICATORS}


# Planted: each must be caught by the very functions above.


def _planted(step, *, size: int = 2, first_value: int = 0, warmup: int = 20) -> Indicator:
    return Indicator(
        name="planted",
        inputs=("close",),
        outputs=("planted",),
        params=IndicatorParams(),
        first_value=first_value,
        warmup=warmup,
        size=size,
        step=step,
    )


def test_peeking_indicator_when_planted_is_caught_by_cuts() -> None:
    tape: list[float] = []

    def step(state, _open, _high, _low, close, _volume):
        state[1] += 1.0
        following = tape[min(int(state[1]), len(tape) - 1)]
        state[0] = following / close - 1.0
        return state[0], max(-1.0, min(1.0, state[0]))

    def compute(series):
        tape[:] = series.close.tolist()
        state = [0.0, 0.0]
        return [step(state, close, close, close, close, 0.0) for close in tape]

    with pytest.raises(AssertionError, match="looked ahead"):
        suite.check_no_look_ahead(compute, suite.daily_bars("AAPL")[:300], cuts=12, seed=31)


def test_peak_of_the_whole_series_when_planted_is_caught_by_cuts() -> None:
    def compute(series):
        top = float(series.close.max())
        return [(close / top, close / top) for close in series.close.tolist()]

    with pytest.raises(AssertionError, match="looked ahead"):
        suite.check_no_look_ahead(compute, suite.daily_bars("AAPL")[:300], cuts=12, seed=31)


def test_memory_outside_the_state_when_planted_is_caught() -> None:
    seen: list[float] = []

    def step(state, _open, _high, _low, close, _volume):
        seen.append(close)
        state[0] = close / max(seen)
        return state[0], state[0]

    with pytest.raises(AssertionError):
        suite.check_pure(
            _planted(step), suite.daily_bars("AAPL")[:300], suite.daily_bars("IBM")[:300]
        )


def test_running_total_when_planted_is_caught_as_unstable() -> None:
    def step(state, _open, _high, _low, close, volume):
        state[0] += volume if close >= state[1] else -volume
        state[1] = close
        return state[0], math.tanh(state[0] / 1e9)

    with pytest.raises(AssertionError, match="still differs"):
        suite.check_warm_up(_planted(step), suite.daily_bars("AAPL"), starts=200, seed=97)


def test_running_sum_of_a_window_when_planted_is_caught_as_unstable() -> None:
    period = 20

    def step(state, _open, _high, _low, close, _volume):
        place = int(state[1]) % period
        state[2] += close - state[3 + place]  # remembers every rounding since it began
        state[3 + place] = close
        state[1] += 1.0
        state[0] = state[2] / period if state[1] >= period else math.nan
        return state[0], 0.0 if state[1] >= period else math.nan

    running = _planted(step, size=3 + period, first_value=period - 1, warmup=period - 1)
    suite.check_shape(running, suite.daily_bars("AAPL")[:100])
    with pytest.raises(AssertionError, match="still differs"):
        suite.check_warm_up(running, suite.walk_bars(1500, seed=4), starts=200, seed=97)


def test_short_warm_up_when_declared_is_caught() -> None:
    honest = indicator_set(("rsi",))[0]
    hasty = Indicator(**{**vars(honest), "warmup": 200})
    with pytest.raises(AssertionError, match="still differs"):
        suite.check_warm_up(hasty, suite.daily_bars("AAPL"), starts=200, seed=97)


def test_late_value_when_planted_is_caught_by_shape() -> None:
    def step(state, _open, _high, _low, close, _volume):
        state[0] = close
        return close, 0.0

    with pytest.raises(AssertionError):
        suite.check_shape(_planted(step, first_value=3), suite.daily_bars("AAPL")[:30])


def test_normalised_out_of_bounds_when_planted_is_caught_by_shape() -> None:
    def step(state, _open, _high, _low, close, _volume):
        state[0] = close
        return close, 1.5

    with pytest.raises(AssertionError):
        suite.check_shape(_planted(step), suite.daily_bars("AAPL")[:30])
