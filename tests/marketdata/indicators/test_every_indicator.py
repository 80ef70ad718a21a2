"""The shared suite over the whole registry, and proof that it catches what it must."""

from math import nan
from pathlib import Path

import pytest

from domain.bars import Timeframe
from marketdata.indicators.columns import CLOSE, VOLUME
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
    suite.check_no_look_ahead(suite.batch_of(indicator, timeframe), bars, cuts=500, seed=31)


@every_indicator
@pytest.mark.parametrize("timeframe", [Timeframe.D1, Timeframe.H1, Timeframe.M5])
def test_streaming_when_stepped_over_blocks_equals_batch(
    indicator: Indicator, timeframe: Timeframe
) -> None:
    bars = suite.bars_at(suite.daily_bars("MSFT")[:1500], timeframe)
    compute = suite.batch_of(indicator, timeframe)
    suite.check_streaming_equals_batch(indicator, compute, bars, timeframe)


@every_indicator
def test_machine_code_when_compared_with_plain_python_has_equal_bits(indicator: Indicator) -> None:
    suite.check_interpreted(indicator, suite.daily_bars("MSFT")[:400])


@every_indicator
def test_kernel_when_two_markets_interleave_remembers_nothing(indicator: Indicator) -> None:
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
def test_values_when_prices_are_real_vary(indicator: Indicator) -> None:
    if suite.is_candle(indicator):  # most patterns are rare, and many point one way only
        suite.check_seen(indicator)
        return
    bars = suite.daily_bars("AAPL")
    suite.check_varies(
        indicator, suite.bars_at(bars, Timeframe.H1) if indicator.family == "time" else bars
    )


following = pytest.mark.parametrize(
    "indicator",
    [
        one
        for one in INDICATORS
        if one.is_directed and one.family in {"trend", "momentum", "volatility"}
    ],
    ids=lambda one: one.name,
)


@following
def test_normalised_when_market_rises_is_bullish_and_falls_bearish(indicator: Indicator) -> None:
    rising = suite.made_bars([100.0 + 0.04 * day**1.5 for day in range(120)], 0.001)
    falling = suite.made_bars([100.0 - 0.04 * day**1.5 for day in range(120)], 0.001)
    assert suite.fold_over(indicator, rising)[-1][1] > 0.0
    assert suite.fold_over(indicator, falling)[-1][1] < 0.0


@every_indicator
def test_normalised_when_nothing_ever_moves_is_zero(
    indicator: Indicator,
) -> None:
    if not indicator.is_directed or "flow" in indicator.inputs:
        return  # a feature has none, and trades have sides whatever the price does
    assert suite.fold_over(indicator, suite.made_bars([7.7] * 300))[-1][1] == 0.0


@every_indicator
def test_docs_page_when_looked_for_names_the_indicators_facts(indicator: Indicator) -> None:
    page = (PAGES / f"{suite.page_of(indicator)}.md").read_text()
    if suite.is_candle(indicator):  # a row of the family's page
        kind = "yes" if indicator.is_directed else "no"
        assert f"| `{indicator.name}` | {kind} |" in page
    for heading in ("## Formula", "## Source", "## Normalised", "## Parameters", "## Limits"):
        assert heading in page, heading
    assert f"first value: bar {indicator.first_value + 1}" in page
    assert f"warm-up: {indicator.warmup} bars" in page
    for name in (*indicator.outputs, *indicator.params.__dataclass_fields__):
        assert f"`{name}`" in page, name


def test_docs_pages_when_listed_belong_to_indicators() -> None:
    pages = {page.stem for page in PAGES.glob("*.md")} - {"index"}
    assert pages == {suite.page_of(one) for one in INDICATORS}


# Planted: each must be caught by the very functions above.


def _planted(
    kernel, *, size: int = 2, first_value: int = 0, warmup: int = 20, lookback: int = 1
) -> Indicator:
    return Indicator(
        name="planted",
        family="trend",
        inputs=("close",),
        outputs=("planted",),
        params=IndicatorParams(),
        first_value=first_value,
        warmup=warmup,
        kernel=kernel,
        lookback=lookback,
        size=size,
    )


def test_peeking_indicator_when_planted_is_caught_by_cuts() -> None:
    def kernel(bars, _start, first, last, _state, _numbers, out):
        for i in range(first, last):
            following = bars[CLOSE, min(i + 1, bars.shape[1] - 1)]
            out[0, i - first] = out[1, i - first] = following / bars[CLOSE, i] - 1.0

    peeking = suite.batch_of(_planted(kernel))
    with pytest.raises(AssertionError, match="looked ahead"):
        suite.check_no_look_ahead(peeking, suite.daily_bars("AAPL")[:300], cuts=12, seed=31)


def test_peak_of_the_whole_series_when_planted_is_caught_by_cuts() -> None:
    def compute(series):
        top = float(series.close.max())
        return [(close / top, close / top) for close in series.close.tolist()]

    with pytest.raises(AssertionError, match="looked ahead"):
        suite.check_no_look_ahead(compute, suite.daily_bars("AAPL")[:300], cuts=12, seed=31)


def test_memory_outside_the_state_when_planted_is_caught() -> None:
    def kernel(bars, _start, first, last, _state, numbers, out):
        for i in range(first, last):
            numbers[0] = max(numbers[0], bars[CLOSE, i])  # survives from fold to fold
            out[0, i - first] = out[1, i - first] = bars[CLOSE, i] / numbers[0]

    planted = Indicator(**{**vars(_planted(kernel)), "numbers": (0.0,)})
    with pytest.raises(AssertionError):
        suite.check_pure(planted, suite.daily_bars("IBM")[:300], suite.daily_bars("AAPL")[:300])


def test_look_further_back_than_declared_when_planted_is_caught() -> None:
    def kernel(bars, start, first, last, _state, _numbers, out):
        for i in range(first, last):
            past = bars[CLOSE, max(i - 9, start)] if i - 9 >= 0 else 0.0
            out[0, i - first] = out[1, i - first] = (bars[CLOSE, i] - past) / bars[CLOSE, i]

    with pytest.raises(AssertionError):
        suite.check_pure(
            _planted(kernel), suite.daily_bars("IBM")[:300], suite.daily_bars("AAPL")[:300]
        )


def test_running_total_when_planted_is_caught_as_unstable() -> None:
    def kernel(bars, start, first, last, state, _numbers, out):
        for i in range(first, last):
            rose = i == start or bars[CLOSE, i] >= bars[CLOSE, i - 1]
            state[0] += bars[VOLUME, i] if rose else -bars[VOLUME, i]
            out[0, i - first] = state[0]
            out[1, i - first] = state[0] / (abs(state[0]) + 1e9)

    with pytest.raises(AssertionError, match="still differs"):
        suite.check_warm_up(
            _planted(kernel, lookback=2), suite.daily_bars("AAPL"), starts=200, seed=97
        )


def test_running_sum_of_a_window_when_planted_is_caught_as_unstable() -> None:
    period = 20

    def kernel(bars, start, first, last, state, _numbers, out):
        for i in range(first, last):
            state[0] += bars[CLOSE, i]  # remembers every rounding since it began
            if i - start >= 20:
                state[0] -= bars[CLOSE, i - 20]
            is_early = i - start < 19
            out[0, i - first] = nan if is_early else state[0] / 20.0
            out[1, i - first] = nan if is_early else 0.0

    running = _planted(kernel, first_value=period - 1, warmup=period - 1, lookback=period + 1)
    suite.check_shape(running, suite.daily_bars("AAPL")[:100])
    with pytest.raises(AssertionError, match="still differs"):
        suite.check_warm_up(running, suite.walk_bars(1500, seed=4), starts=200, seed=97)


def test_short_warm_up_when_declared_is_caught() -> None:
    honest = indicator_set(("rsi",))[0]
    hasty = Indicator(**{**vars(honest), "warmup": 200})
    with pytest.raises(AssertionError, match="still differs"):
        suite.check_warm_up(hasty, suite.daily_bars("AAPL"), starts=200, seed=97)


def test_late_value_when_planted_is_caught_by_shape() -> None:
    def kernel(bars, _start, first, last, _state, _numbers, out):
        for i in range(first, last):
            out[0, i - first] = bars[CLOSE, i]
            out[1, i - first] = 0.0

    with pytest.raises(AssertionError):
        suite.check_shape(_planted(kernel, first_value=3), suite.daily_bars("AAPL")[:30])


def test_normalised_out_of_bounds_when_planted_is_caught_by_shape() -> None:
    def kernel(bars, _start, first, last, _state, _numbers, out):
        for i in range(first, last):
            out[0, i - first] = bars[CLOSE, i]
            out[1, i - first] = 1.5

    with pytest.raises(AssertionError):
        suite.check_shape(_planted(kernel), suite.daily_bars("AAPL")[:30])
