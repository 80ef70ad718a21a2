"""A mixture finds the markets it was drawn from, says the same twice, refuses what shows none."""

import math
import random
from datetime import timedelta
from functools import cache

import numpy as np
import pytest

from domain.bars import Bar, FloatArray, series_of
from domain.signals import Regime
from marketdata.indicators.columns import CLOSE, COLUMNS, HIGH, LOW, OPENED
from marketdata.indicators.fold import columns_of, outputs_over
from marketdata.indicators.regime_mixture import RegimeMixtureParams, fitted_regime
from mlweights.regimes import (
    FittedRegimes,
    RegimesNotFittedError,
    fit_regimes,
    over_holes,
    regime_of,
)
from tests.marketdata.indicators import suite

DAY = timedelta(days=1)
# Ranging: back and forth; trending: one way; volatile: back and forth, four times as wide.
STRETCHES = ("ranging", "trending", "ranging", "volatile")


@cache
def drawn_market(seed: int = 11, stretch: int = 90, rounds: int = 5) -> tuple[FloatArray, tuple]:
    """Return the columns of a labelled-synthetic market, and the kind of each bar."""
    chance, close, bars, kinds = random.Random(seed), 100.0, [], []
    for kind in STRETCHES * rounds:
        side, middle = chance.choice((-1.0, 1.0)), close
        for _ in range(stretch):
            size = 0.02 if kind == "volatile" else 0.005
            drift = 0.8 * size * side if kind == "trending" else 0.2 * math.log(middle / close)
            before = close
            close *= math.exp(drift + size * chance.gauss(0.0, 0.6))
            top, bottom = max(before, close), min(before, close)
            at = suite.START + len(bars) * DAY
            half = 0.4 * size
            bars.append(
                Bar(at, at + DAY, before, top * (1 + half), bottom * (1 - half), close, 1.0)
            )
            kinds.append(kind)
    return columns_of(series_of(bars)), tuple(kinds)


@cache
def fitted() -> FittedRegimes:
    return fit_regimes(drawn_market()[0])


def test_fit_when_kinds_were_drawn_finds_them_again() -> None:
    bars, drawn = drawn_market()
    (outputs,) = outputs_over((fitted_regime(fitted().numbers),), bars)
    said = [regime_of(row).trend for row in outputs[:2].T.tolist()]
    for kind in ("ranging", "trending", "volatile"):
        # the window must have left the stretch before
        inside = [
            one
            for place, one in enumerate(said)
            if drawn[max(0, place - 30) : place + 1] == (kind,) * 31
        ]
        assert inside.count(kind) > 0.8 * len(inside) > 0, (kind, inside.count(kind), len(inside))


def test_fit_when_done_again_gives_the_same_numbers_and_hash() -> None:
    bars, _ = drawn_market()
    assert fit_regimes(bars.copy()) == fitted()
    other = bars.copy()
    other[[HIGH, LOW, CLOSE], 40] *= 1.001
    assert fit_regimes(other).data_hash != fitted().data_hash


@pytest.mark.parametrize("symbol", ["AAPL", "GOOG", "IBM", "MSFT"])
@pytest.mark.parametrize("share", [0.5, 0.8, 1.0])
def test_kinds_when_fitted_to_growing_history_keep_their_order(symbol: str, share: float) -> None:
    bars = columns_of(series_of(suite.daily_bars(symbol)))
    measures = fit_regimes(np.ascontiguousarray(bars[:, : int(share * bars.shape[1])])).measures
    kinds, levels = measures["kinds"], measures["levels"]
    assert kinds["volatile"]["range"] > max(kinds["ranging"]["range"], kinds["trending"]["range"])
    assert kinds["trending"]["move"] > kinds["ranging"]["move"]
    assert levels["high"]["range"] > levels["low"]["range"]
    for group in (kinds, levels):
        assert math.isclose(sum(one["share"] for one in group.values()), 1.0, rel_tol=1e-6)


@pytest.mark.parametrize("factor", [64.0, 1e-3])
def test_fit_when_prices_are_quoted_in_other_units_tells_the_same_regimes(factor: float) -> None:
    bars, _ = drawn_market()
    scaled = bars.copy()
    scaled[: CLOSE + 1] *= factor
    np.testing.assert_allclose(fit_regimes(scaled).numbers, fitted().numbers, rtol=1e-6)


def test_fit_when_likelihood_is_computed_otherwise_agrees() -> None:
    bars, _ = drawn_market()
    numbers = fitted().numbers
    (outputs,) = outputs_over((fitted_regime(numbers),), bars)
    move, span, volatile = (outputs[place, 20:] for place in (6, 7, 4))
    whiten = np.array([[numbers[7], numbers[8]], [0.0, numbers[9]]])
    densities = []
    for place in (10, 13, 16):
        away = np.column_stack([move, span]) - numbers[place + 1 : place + 3]
        densities.append(math.e ** (numbers[place] - 0.5 * ((away @ whiten) ** 2).sum(axis=1)))
    np.testing.assert_allclose(volatile, densities[2] / sum(densities), rtol=1e-6, atol=1e-9)
    # the whole likelihood, in the standardised units the measure is told in
    scale = abs(np.linalg.det(whiten)) * move.std() * span.std() / (2.0 * math.pi)
    mean = float(np.log(sum(densities) * scale).mean())
    assert math.isclose(mean, fitted().measures["log_likelihood"], rel_tol=1e-3)


def test_fit_when_bars_lie_beyond_a_hole_leaves_their_windows_out() -> None:
    bars, _ = drawn_market()
    holes = np.array([int(bars[OPENED, 500]) - 1], dtype=np.int64)
    params = RegimeMixtureParams()
    measures = fit_regimes(bars, holes, params).measures
    assert measures["rows"] == fitted().measures["rows"] - params.period
    assert measures["rows"] + measures["dropped_rows"] == bars.shape[1]


def test_over_holes_when_one_bar_is_missing_tells_the_bars_that_reach_over_it() -> None:
    opened = np.array([0.0, 10.0, 20.0, 40.0, 50.0, 60.0, 70.0])
    found = over_holes(opened, np.array([30], dtype=np.int64), 2)
    assert found.tolist() == [False, False, False, True, True, False, False]
    assert not over_holes(opened, np.array([], dtype=np.int64), 2).any()


def test_fit_when_history_is_short_is_refused() -> None:
    bars, _ = drawn_market()
    with pytest.raises(RegimesNotFittedError, match="249 usable bars, 250 are needed"):
        fit_regimes(np.ascontiguousarray(bars[:, : 249 + 20]))
    with pytest.raises(RegimesNotFittedError, match="0 usable bars"):
        fit_regimes(np.empty((COLUMNS, 0)))


@pytest.mark.parametrize("half_range", [0.0, 0.01])
def test_fit_when_nothing_moves_is_refused(half_range: float) -> None:
    bars = columns_of(series_of(suite.made_bars([100.0] * 600, half_range)))
    with pytest.raises(RegimesNotFittedError, match=r"usable bars|never changes"):
        fit_regimes(bars)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_fit_when_the_market_is_a_random_walk_is_refused(seed: int) -> None:
    bars = columns_of(series_of(suite.walk_bars(2000, seed)))
    with pytest.raises(RegimesNotFittedError, match="no kinds of market apart"):
        fit_regimes(bars)


def test_regime_of_when_outputs_are_codes_says_words() -> None:
    assert regime_of((math.nan, math.nan, 1.0)) == Regime()
    assert regime_of((0.0, 0.0)) == Regime("ranging", "low")
    assert regime_of((1.0, 1.0, 0.5)) == Regime("trending", "high")
    assert regime_of((2.0, 1.0)) == Regime("volatile", "high")
