"""Market regime by fitted Gaussians: which of the past's kinds of market this one is most like.

Not in the registry: its numbers belong to one instrument and timeframe (mlweights/regimes.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import exp, inf, isfinite, log, nan, sqrt

from domain.bars import FloatArray
from marketdata.indicators.columns import CLOSE
from marketdata.indicators.registry import (
    BadIndicatorSetError,
    Indicator,
    IndicatorParams,
    ranged,
)
from marketdata.indicators.windows import ROOM, held, keep, true_ranges, window_sums

KIND, KIND_LEFT, LEVEL, LEVEL_LEFT, SIZE = range(5)
# Where the numbers lie: three parameters, then for move and range the limits fitted on, how the
# kinds spread, each kind's log weight and centre; last the same for low and high ranges alone.
LIMITS, SPREAD, KINDS, LEVEL_SPREAD, LEVELS, COUNT = 3, 7, 10, 19, 20, 24

STANDSTILL = 50.0  # no logarithm of range / price in a market that moves comes near


@dataclass(frozen=True)
class RegimeMixtureParams(IndicatorParams):
    """Bars measured, probability from which a kind of market counts, bars it is remembered."""

    period: int = ranged(20, 2, 500)
    confidence: float = ranged(0.6, 0.5, 0.99)
    memory: int = ranged(50, 2, 500)


DEFAULT = RegimeMixtureParams()


@cache
def fitted_regime(numbers: tuple[float, ...]) -> Indicator:
    """Return the fold over fitted numbers: raw is 0 ranging, 1 trending, 2 volatile; a feature."""
    _refuse_unusable(numbers)
    params = RegimeMixtureParams(int(numbers[0]), numbers[1], int(numbers[2]))
    return Indicator(
        name="regime_mixture",
        family="regime",
        inputs=("high", "low", "close"),
        outputs=(
            *("regime", "volatility", "ranging", "trending", "volatile", "high"),
            *("move", "range"),
        ),
        params=params,
        first_value=params.period,
        warmup=params.period + params.memory - 1,
        kernel=regime_mixture_kernel,
        numbers=tuple(float(one) for one in numbers),
        lookback=params.period + 1,
        size=SIZE + params.period - 1 + ROOM,
        is_directed=False,
    )


def unfitted_numbers(params: RegimeMixtureParams = DEFAULT) -> tuple[float, ...]:
    """Return numbers under which `move` and `range` are as measured: what is fitted on."""
    own = (float(params.period), params.confidence, float(params.memory))
    return (*own, 0.0, 1e3, -STANDSTILL, STANDSTILL, 1.0, 0.0, 1.0, *[0.0] * 9, 1.0, *[0.0] * 4)


def _refuse_unusable(numbers: Sequence[float]) -> None:
    if len(numbers) != COUNT or not all(isfinite(one) for one in numbers):
        raise BadIndicatorSetError(
            f"a fitted regime needs {COUNT} finite numbers, got {len(numbers)}: {list(numbers)}"
        )
    move_low, move_high, range_low, range_high, across, _, along = numbers[LIMITS:KINDS]
    is_spread = min(across, along, numbers[LEVEL_SPREAD]) > 0.0
    if move_low >= move_high or range_low >= range_high or not is_spread:
        raise BadIndicatorSetError("a fitted regime needs rising limits and spreads above 0")


def regime_mixture_kernel(bars, start, first, last, state, numbers, out):  # type: ignore[no-untyped-def]
    """Measure move and range afresh, weigh the kinds of market, step what is remembered.

    True ranges follow what is remembered in the state.
    """
    closes, ranges = bars[CLOSE], state[SIZE:]
    period, confidence, memory = int(numbers[0]), numbers[1], numbers[2]
    kept = period - 1
    for begin in range(first, last, ROOM):
        size, known = min(ROOM, last - begin), max(begin, start + 1)
        true_ranges(bars, known, begin + size, ranges[kept + known - begin :])
        window_sums(ranges, kept, kept + size, period, out[6, begin - first :])
        keep(ranges, size)
    reach = sqrt(period)  # a random walk's way grows with the square root of its steps
    kind, kind_left = state[KIND], state[KIND_LEFT]
    level, level_left = state[LEVEL], state[LEVEL_LEFT]
    for i in range(first, last):
        code = volatility = ranging = trending = volatile = high = move = span = nan
        if i - start >= period:
            usual = out[6, i - first] / period
            price = abs(closes[i])
            move = abs(closes[i] - closes[i - period]) / (reach * usual) if usual > 0.0 else 0.0
            span = -inf if usual <= 0.0 else inf
            if usual > 0.0 and price > 0.0 and 0.0 < usual / price < inf:
                span = log(usual / price)
            # nothing beyond what was fitted on is called more certain than its border
            move = held(move, numbers[LIMITS], numbers[LIMITS + 1])
            span = held(span, numbers[LIMITS + 2], numbers[LIMITS + 3])
            first_log = kind_log(numbers, KINDS, move, span)
            second_log = kind_log(numbers, KINDS + 3, move, span)
            third_log = kind_log(numbers, KINDS + 6, move, span)
            top = max(first_log, second_log, third_log)
            ranging = exp(first_log - top)
            trending = exp(second_log - top)
            volatile = exp(third_log - top)
            whole = ranging + trending + volatile
            ranging, trending, volatile = ranging / whole, trending / whole, volatile / whole
            low_log = level_log(numbers, LEVELS, span)
            high_log = level_log(numbers, LEVELS + 2, span)
            top = max(low_log, high_log)
            high = exp(high_log - top)
            high = high / (high + exp(low_log - top))
            kind_left, level_left = max(kind_left - 1.0, 0.0), max(level_left - 1.0, 0.0)
            if max(ranging, trending, volatile) > confidence:
                kind_left = memory
                kind = 2.0 if volatile > confidence else 1.0 if trending > confidence else 0.0
            if max(high, 1.0 - high) > confidence:
                level_left = memory
                level = 1.0 if high > confidence else 0.0
            code = kind if kind_left > 0.0 else 0.0
            volatility = level if level_left > 0.0 else 0.0
        out[0, i - first] = code
        out[1, i - first] = volatility
        out[2, i - first] = ranging
        out[3, i - first] = trending
        out[4, i - first] = volatile
        out[5, i - first] = high
        out[6, i - first] = move
        out[7, i - first] = span
        out[8, i - first] = nan
    state[KIND], state[KIND_LEFT] = kind, kind_left
    state[LEVEL], state[LEVEL_LEFT] = level, level_left


def kind_log(numbers: FloatArray, place: int, move: float, span: float) -> float:
    """Return the log density of one kind of market, but for what all kinds share."""
    across = move - numbers[place + 1]
    along = span - numbers[place + 2]
    first = numbers[SPREAD] * across
    second = numbers[SPREAD + 1] * across + numbers[SPREAD + 2] * along
    return float(numbers[place] - 0.5 * (first * first + second * second))


def level_log(numbers: FloatArray, place: int, span: float) -> float:
    """Return the log density of low or of high ranges, but for what both share."""
    away = numbers[LEVEL_SPREAD] * (span - numbers[place + 1])
    return float(numbers[place] - 0.5 * away * away)
