"""Market structure: closes beyond the last confirmed swing, with the trend or against it."""

from dataclasses import dataclass
from math import nan

from marketdata.indicators.columns import CLOSE, HIGH, LOW
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.swings import is_swing_high, is_swing_low, mean_range
from marketdata.indicators.windows import squashed

# TOP and BOTTOM are prices; _LEFT counts the bars until forgotten, _WHOLE is 1 until broken.
TOP, TOP_LEFT, TOP_WHOLE, BOTTOM, BOTTOM_LEFT, BOTTOM_WHOLE, SIDE, SIDE_LEFT, FORCE, SIZE = range(
    10
)


@dataclass(frozen=True)
class MarketStructureParams(IndicatorParams):
    """Bars that a swing must top on either side, and bars a swing or a break is remembered."""

    left: int = ranged(5, 1, 50)
    right: int = ranged(5, 1, 50)
    life: int = ranged(100, 10, 500)


DEFAULT = MarketStructureParams()


@INDICATORS.register("market_structure")
def market_structure(params: MarketStructureParams = DEFAULT) -> Indicator:
    """Return the fold: raw is the side of the last break, +1 up, -1 down, 0 none remembered.

    Normalised is the side, fading over `life` bars, half of it weighed by the size of the break.
    """
    return Indicator(
        name="market_structure",
        family="structure",
        inputs=("high", "low", "close"),
        outputs=("side", "event", "swing_high", "swing_low"),
        params=params,
        first_value=params.left + params.right,
        warmup=2 * params.life + params.left + params.right,
        kernel=market_structure_kernel,
        numbers=(float(params.left), float(params.right), float(params.life)),
        lookback=params.left + params.right + 1,
        size=SIZE,
    )


def market_structure_kernel(bars, start, first, last, state, numbers, out):  # type: ignore[no-untyped-def]
    """Judge the close against the swings known so far, then look for one more on either side."""
    highs, lows, closes = bars[HIGH], bars[LOW], bars[CLOSE]
    left, right, life = int(numbers[0]), int(numbers[1]), numbers[2]
    top, top_left, top_whole = state[TOP], state[TOP_LEFT], state[TOP_WHOLE]
    bottom, bottom_left, bottom_whole = state[BOTTOM], state[BOTTOM_LEFT], state[BOTTOM_WHOLE]
    side, side_left, force = state[SIDE], state[SIDE_LEFT], state[FORCE]
    for i in range(first, last):
        place = i - first
        begin = i - left - right
        if begin < start:
            for row in range(5):
                out[row, place] = nan
            continue
        close = closes[i]
        top_left, bottom_left = max(top_left - 1.0, 0.0), max(bottom_left - 1.0, 0.0)
        side_left = max(side_left - 1.0, 0.0)
        if side_left == 0.0:
            side = 0.0
        event = 0.0
        if top_left > 0.0 and top_whole > 0.0 and close > top:
            event = 2.0 if side < 0.0 else 1.0
            side, side_left, top_whole = 1.0, life, 0.0
            force = squashed(close - top, mean_range(highs, lows, begin, i + 1))
        elif bottom_left > 0.0 and bottom_whole > 0.0 and close < bottom:
            event = -2.0 if side > 0.0 else -1.0
            side, side_left, bottom_whole = -1.0, life, 0.0
            force = squashed(bottom - close, mean_range(highs, lows, begin, i + 1))
        if is_swing_high(highs, i - right, left, right):
            top, top_left, top_whole = highs[i - right], life, 1.0
        if is_swing_low(lows, i - right, left, right):
            bottom, bottom_left, bottom_whole = lows[i - right], life, 1.0
        out[0, place] = side
        out[1, place] = event
        out[2, place] = top if top_left > 0.0 else close
        out[3, place] = bottom if bottom_left > 0.0 else close
        out[4, place] = side * (side_left / life) * (0.5 + 0.5 * force)
    state[TOP], state[TOP_LEFT], state[TOP_WHOLE] = top, top_left, top_whole
    state[BOTTOM], state[BOTTOM_LEFT], state[BOTTOM_WHOLE] = bottom, bottom_left, bottom_whole
    state[SIDE], state[SIDE_LEFT], state[FORCE] = side, side_left, force
