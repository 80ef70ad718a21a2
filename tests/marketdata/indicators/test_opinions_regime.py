"""Regimes against a second opinion: plain Python that searches the past anew at every bar."""

import math
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from statistics import NormalDist

import numpy as np
import pytest

from domain.bars import Bar, Timeframe
from marketdata.indicators.regime import RegimeParams, regime
from marketdata.indicators.regime_mixture import (
    RegimeMixtureParams,
    fitted_regime,
    unfitted_numbers,
)
from marketdata.indicators.registry import BadIndicatorSetError, ParameterOutOfRangeError
from tests.marketdata.indicators import suite

SYMBOLS = ("AAPL", "FB", "GOOG", "IBM", "MSFT")
every_symbol = pytest.mark.parametrize("symbol", SYMBOLS)

# Kinds of market drawn by hand, so that nothing here rests on a fit: logs of weights, centres of
# move and range, all spread alike with deviations 0.3 and 0.4 and a correlation of 0.3.
DEVIATIONS, CORRELATION = (0.3, 0.4), 0.3
KINDS = ((0.6, 0.4, -4.0), (0.2, 1.2, -3.9), (0.2, 0.6, -3.2))
LEVELS = ((0.7, -4.1), (0.3, -3.3))
LEVEL_DEVIATION = 0.35
LIMITS = (0.0, 2.0, -4.6, -2.6)


def drawn_numbers(params: RegimeMixtureParams) -> tuple[float, ...]:
    """Return the kinds above in the order that the indicator takes."""
    left = math.sqrt(1.0 - CORRELATION**2)
    return (
        *(float(params.period), params.confidence, float(params.memory)),
        *LIMITS,
        1.0 / DEVIATIONS[0],
        -CORRELATION / (DEVIATIONS[0] * left),
        1.0 / (DEVIATIONS[1] * left),
        *(one for weight, *centre in KINDS for one in (math.log(weight), *centre)),
        1.0 / LEVEL_DEVIATION,
        *(one for weight, centre in LEVELS for one in (math.log(weight), centre)),
    )


def true_ranges(bars: Sequence[Bar]) -> list[float]:
    """Return the true range of every bar but the first."""
    return [max(b.high, a.close) - min(b.low, a.close) for a, b in pairwise(bars)]


def mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def holds(values: Sequence[float], enter: float, leave: float, memory: int) -> bool:
    """Tell whether some value of the last `memory` began the state and none since ended it."""
    for value in reversed(values[-memory:]):
        if value > enter:
            return True
        if value < leave:
            return False
    return False


def measures_at(bars: Sequence[Bar], params: RegimeParams) -> tuple[float, float]:
    closes = [bar.close for bar in bars[-params.trend_period - 1 :]]
    way = math.fsum(abs(b - a) for a, b in pairwise(closes))
    ranges = true_ranges(bars[-params.long - 1 :])
    strength = abs(closes[-1] - closes[0]) / way if way else 0.0
    return strength, mean(ranges[-params.short :]) / mean(ranges)


def second_opinion(bars: Sequence[Bar], params: RegimeParams) -> list[tuple[float, ...]]:
    """Return regime, volatility and both measures per bar, from the first that has them."""
    longest, rows = max(params.trend_period, params.long), []
    measured: list[tuple[float, float]] = []
    for end in range(longest + 1, len(bars) + 1):
        measured.append(measures_at(bars[:end][-longest - 1 :], params))
        strengths, ratios = zip(*measured, strict=True)
        is_trending = holds(strengths, params.trend_enter, params.trend_leave, params.memory)
        is_volatile = holds(ratios, params.volatile_enter, params.volatile_leave, params.memory)
        is_high = holds(ratios, params.high_enter, params.high_leave, params.memory)
        rows.append((2.0 if is_volatile else float(is_trending), float(is_high), *measured[-1]))
    return rows


@every_symbol
@pytest.mark.parametrize(
    "params",
    [
        RegimeParams(),
        RegimeParams(10, 0.5, 0.3, 3, 30, 1.3, 1.0, 1.05, 0.95, 12),
        RegimeParams(trend_period=60, short=10, long=40, memory=500),
    ],
)
def test_regime_when_searched_from_scratch_agrees(symbol: str, params: RegimeParams) -> None:
    bars = suite.daily_bars(symbol)[:900]
    indicator = regime(params)
    ours = [row[:4] for row in suite.rows_over(indicator, bars)[indicator.first_value :]]
    theirs = second_opinion(bars, params)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


@every_symbol
def test_regimes_when_prices_are_real_all_occur(symbol: str) -> None:
    rows = np.array(suite.rows_over(regime(), suite.daily_bars(symbol))[50:])
    shares = [float((rows[:, 0] == code).mean()) for code in (0.0, 1.0, 2.0)]
    assert min(shares) > 0.05, shares
    assert 0.2 < float(rows[:, 1].mean()) < 0.6
    # what is volatile has high volatility too
    assert (rows[rows[:, 0] == 2.0, 1] == 1.0).all()


def rows_at_strengths(wanted: Sequence[float], params: RegimeParams) -> list[tuple[float, ...]]:
    """Return the rows of closes drawn so that these trend strengths follow on a flat market."""
    closes = [100.0 + place % 2 for place in range(params.long + 1)]
    for strength in wanted:
        closes.append(close_for(closes[-params.trend_period :], strength))
    return suite.rows_over(regime(params), suite.made_bars(closes))[params.long + 1 :]


def close_for(closes: Sequence[float], strength: float) -> float:
    """Return the close after these that makes net change / way the strength: found by halving."""
    before, last = closes[0], closes[-1]
    way = math.fsum(abs(b - a) for a, b in pairwise(closes))
    side = 1.0 if abs(last - before) < strength * way else -1.0
    low, high = 0.0, 1e4 if side > 0.0 else last - before
    for _ in range(200):
        step = 0.5 * (low + high)
        is_short = (abs(last + side * step - before) / (way + step) < strength) == (side > 0.0)
        low, high = (step, high) if is_short else (low, step)
    return last + side * low


def test_trend_when_strength_swings_between_both_thresholds_does_not_flicker() -> None:
    calm = {"volatile_enter": 10.0, "volatile_leave": 9.0}  # only the trend is looked at
    swings = [0.45, 0.39, 0.41, 0.38, 0.42, 0.37, 0.43, 0.36, 0.41, 0.35, 0.42, 0.39]
    rows = rows_at_strengths(swings, RegimeParams(**calm))
    np.testing.assert_allclose([row[2] for row in rows], swings, rtol=1e-9)
    assert sum((a > 0.4) != (b > 0.4) for a, b in pairwise(swings)) == 11  # one border: a flicker
    assert [row[0] for row in rows] == [1.0] * len(swings)


def test_trend_when_never_confirmed_again_is_forgotten() -> None:
    params = RegimeParams(memory=4, volatile_enter=10.0, volatile_leave=9.0)
    rows = rows_at_strengths([0.45, 0.39, 0.38, 0.37, 0.36, 0.35], params)
    assert [row[0] for row in rows] == [1.0, 1.0, 1.0, 1.0, 0.0, 0.0]


def test_volatile_when_ranges_burst_and_calm_down_begins_and_ends_apart() -> None:
    halves = [0.01] * 60 + [0.03] * 5 + [0.013] * 5 + [0.01] * 30
    bars = tuple(suite.made_bars([100.0] * len(halves), half)[at] for at, half in enumerate(halves))
    rows = suite.rows_over(regime(), bars)
    codes = [row[0] for row in rows]
    begun = codes.index(2.0)
    ended = codes.index(0.0, begun)
    calm, wild, calm_again = begun - 50, ended - begun, len(codes) - ended
    assert codes[50:] == [0.0] * calm + [2.0] * wild + [0.0] * calm_again
    assert rows[begun][3] > 1.5 >= rows[begun - 1][3]
    assert rows[ended][3] < 1.1 <= rows[ended - 1][3]


@pytest.mark.parametrize(
    "wrong",
    [
        {"trend_enter": 0.2, "trend_leave": 0.4},
        {"volatile_enter": 1.1, "volatile_leave": 1.1},
        {"high_enter": 0.8},
        {"short": 50, "long": 50},
        {"memory": 1},
        {"trend_enter": math.nan},
    ],
)
def test_params_when_states_would_flicker_or_ranges_are_left_are_refused(
    wrong: dict[str, float],
) -> None:
    with pytest.raises(ParameterOutOfRangeError):
        RegimeParams(**wrong)


# The mixture


def features_at(bars: Sequence[Bar]) -> tuple[float, float]:
    """Return move and range over all these bars but the first, inside the limits."""
    usual, last = mean(true_ranges(bars)), bars[-1].close
    move = abs(last - bars[0].close) / (usual * math.sqrt(len(bars) - 1)) if usual else 0.0
    span = math.log(usual / last) if usual else -math.inf
    return min(max(move, LIMITS[0]), LIMITS[1]), min(max(span, LIMITS[2]), LIMITS[3])


def probabilities(move: float, span: float) -> tuple[list[float], float]:
    """Return that of each kind, and that of high ranges: densities from the standard library."""
    found = []
    for weight, centre_move, centre_span in KINDS:
        # the density of range, given the move
        shift = CORRELATION * DEVIATIONS[1] / DEVIATIONS[0] * (move - centre_move)
        given = NormalDist(centre_span + shift, DEVIATIONS[1] * math.sqrt(1.0 - CORRELATION**2))
        found.append(weight * NormalDist(centre_move, DEVIATIONS[0]).pdf(move) * given.pdf(span))
    low, high = (weight * NormalDist(at, LEVEL_DEVIATION).pdf(span) for weight, at in LEVELS)
    return [one / sum(found) for one in found], high / (low + high)


def latest_sure(chances: Sequence[Sequence[float]], params: RegimeMixtureParams) -> float:
    """Return the kind that last passed the confidence within the memory, else the first."""
    for one in reversed(chances[-params.memory :]):
        for kind, chance in enumerate(one):
            if chance > params.confidence:
                return float(kind)
    return 0.0


@every_symbol
@pytest.mark.parametrize("params", [RegimeMixtureParams(), RegimeMixtureParams(8, 0.8, 5)])
def test_mixture_when_searched_from_scratch_agrees(
    symbol: str, params: RegimeMixtureParams
) -> None:
    bars = suite.daily_bars(symbol)[:600]
    indicator = fitted_regime(drawn_numbers(params))
    ours = [row[:8] for row in suite.rows_over(indicator, bars)[params.period :]]
    theirs, kinds, levels = [], [], []
    for end in range(params.period + 1, len(bars) + 1):
        move, span = features_at(bars[end - params.period - 1 : end])
        chances, high = probabilities(move, span)
        kinds.append(chances)
        levels.append([1.0 - high, high])
        codes = latest_sure(kinds, params), latest_sure(levels, params)
        theirs.append((*codes, *chances, high, move, span))
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)
    assert len({row[0] for row in theirs}) > 1


MIXTURE = fitted_regime(drawn_numbers(RegimeMixtureParams()))


@cache
def kinds_of_prices() -> dict[str, tuple[Bar, ...]]:
    return suite.price_kinds()


@pytest.mark.parametrize("kind", suite.price_kinds())
def test_mixture_when_put_through_the_shared_suite_passes(kind: str) -> None:
    suite.check_shape(MIXTURE, kinds_of_prices()[kind])
    suite.check_warm_up(MIXTURE, kinds_of_prices()[kind], starts=200, seed=97)


@pytest.mark.parametrize("timeframe", [Timeframe.D1, Timeframe.H1, Timeframe.M5])
def test_mixture_when_cut_or_streamed_keeps_its_bits(timeframe: Timeframe) -> None:
    bars = suite.bars_at(suite.daily_bars("AAPL")[:700], timeframe)
    compute = suite.batch_of(MIXTURE, timeframe)
    suite.check_no_look_ahead(compute, bars, cuts=500, seed=31)
    suite.check_streaming_equals_batch(MIXTURE, compute, bars, timeframe)


def test_mixture_when_interpreted_or_interleaved_keeps_its_bits() -> None:
    suite.check_interpreted(MIXTURE, suite.daily_bars("MSFT")[:400])
    suite.check_pure(MIXTURE, suite.daily_bars("AAPL")[:900], suite.daily_bars("IBM")[:900])


@pytest.mark.parametrize("scale", [1e-300, 1e-12, 1e12, 1e300])
def test_mixture_when_prices_are_tiny_or_huge_stays_finite(scale: float) -> None:
    closes = [bar.close / 100.0 * scale for bar in suite.walk_bars(400, seed=8)]
    suite.check_shape(MIXTURE, suite.made_bars(closes, 0.01))


@pytest.mark.parametrize("prices", [[0.0] * 60, [0.0, 1.0] * 30, [1.0, -1.0] * 30])
def test_mixture_when_prices_are_not_positive_stays_finite(prices: list[float]) -> None:
    suite.check_shape(MIXTURE, suite.made_bars(prices))


def test_mixture_when_probability_swings_around_a_half_does_not_flicker() -> None:
    params = RegimeMixtureParams(confidence=0.7)
    rows = suite.rows_over(fitted_regime(drawn_numbers(params)), suite.daily_bars("IBM"))[20:]
    likeliest = [max(range(3), key=lambda kind, row=row: row[2 + kind]) for row in rows]
    ours = [row[0] for row in rows]
    without, with_memory = (sum(a != b for a, b in pairwise(codes)) for codes in (likeliest, ours))
    assert with_memory < 0.6 * without
    # every switch away from ranging is sure of itself
    for before, row in pairwise(rows):
        if row[0] not in (before[0], 0.0):
            assert row[2 + int(row[0])] > params.confidence


def test_unfitted_numbers_when_used_show_what_is_measured() -> None:
    bars = suite.daily_bars("GOOG")[:200]
    rows = suite.rows_over(fitted_regime(unfitted_numbers()), bars)
    ranges = true_ranges(bars[-21:])
    move = abs(bars[-1].close - bars[-21].close) / (mean(ranges) * math.sqrt(20))
    np.testing.assert_allclose(
        rows[-1][6:8], (move, math.log(mean(ranges) / bars[-1].close)), rtol=1e-12
    )


@pytest.mark.parametrize(
    ("place", "value"),
    [(0, 1.0), (1, 0.4), (2, 501.0), (4, 0.0), (7, 0.0), (19, -1.0), (23, math.nan)],
)
def test_fitted_regime_when_numbers_are_unusable_is_refused(place: int, value: float) -> None:
    numbers = list(drawn_numbers(RegimeMixtureParams()))
    numbers[place] = value
    with pytest.raises((BadIndicatorSetError, ParameterOutOfRangeError)):
        fitted_regime(tuple(numbers))
    with pytest.raises(BadIndicatorSetError, match="needs 24 finite numbers, got 23"):
        fitted_regime(tuple(numbers[:-1]))
