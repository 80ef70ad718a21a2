"""Order blocks: the last bar against an impulsive move that broke structure, until it is met."""

from dataclasses import dataclass
from math import nan

from domain.bars import FloatArray
from marketdata.indicators.columns import CLOSE, HIGH, LOW, OPEN
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.swings import append, forget, is_swing_high, is_swing_low, mean_range
from marketdata.indicators.windows import squashed

TOP, TOP_LEFT, BOTTOM, BOTTOM_LEFT, BULLS = range(5)
# Mean ranges away from a block at which it counts half.
NEAR = 5.0
# Blocks remembered on each side; a full list drops its oldest, which lies farthest away.
ROOM = 12
BEARS = BULLS + 1 + 3 * ROOM
SIZE = BEARS + 1 + 3 * ROOM


@dataclass(frozen=True)
class OrderBlocksParams(IndicatorParams):
    """Bars of a swing's sides, of the search and of memory; mean ranges of an impulsive move."""

    left: int = ranged(5, 1, 50)
    right: int = ranged(5, 1, 50)
    reach: int = ranged(10, 1, 50)
    life: int = ranged(100, 10, 500)
    impulse: float = ranged(1.0, 0.0, 10.0)


DEFAULT = OrderBlocksParams()


@INDICATORS.register("order_blocks")
def order_blocks(params: OrderBlocksParams = DEFAULT) -> Indicator:
    """Return the fold: raw is how near the bullish block is less how near the bearish one is.

    That is within -1…+1 and normalised too.
    """
    sides = params.left + params.right
    return Indicator(
        name="order_blocks",
        family="structure",
        inputs=("open", "high", "low", "close"),
        outputs=("balance", "bullish_top", "bullish_bottom", "bearish_bottom", "bearish_top"),
        params=params,
        first_value=max(sides, params.reach),
        warmup=2 * params.life + max(sides, params.reach),
        kernel=order_blocks_kernel,
        numbers=(
            float(params.left),
            float(params.right),
            float(params.reach),
            float(params.life),
            params.impulse,
        ),
        lookback=max(sides, params.reach) + 1,
        size=SIZE,
    )


def order_blocks_kernel(bars, start, first, last, state, numbers, out):  # type: ignore[no-untyped-def]
    """Drop the blocks that are met or old, add the one that a break leaves, then find swings."""
    opens, highs, lows, closes = bars[OPEN], bars[HIGH], bars[LOW], bars[CLOSE]
    left, right, reach = int(numbers[0]), int(numbers[1]), int(numbers[2])
    life, impulse = numbers[3], numbers[4]
    before = max(left + right, reach)
    top, top_left = state[TOP], state[TOP_LEFT]
    bottom, bottom_left = state[BOTTOM], state[BOTTOM_LEFT]
    bulls, bears = state[BULLS:BEARS], state[BEARS:SIZE]
    for i in range(first, last):
        place = i - first
        age = i - start
        if age < before:
            for row in range(6):
                out[row, place] = nan
            continue
        high, low, close = highs[i], lows[i], closes[i]
        scale = mean_range(highs, lows, i - before, i + 1)
        top_left, bottom_left = max(top_left - 1.0, 0.0), max(bottom_left - 1.0, 0.0)
        forget(bulls, age - life)
        forget(bears, age - life)
        while bulls[0] > 0.0 and low <= bulls[1 + 3 * (int(bulls[0]) - 1)]:
            bulls[0] -= 1.0
        while bears[0] > 0.0 and high >= bears[1 + 3 * (int(bears[0]) - 1)]:
            bears[0] -= 1.0
        if top_left > 0.0 and close > top:
            top_left = 0.0
            j = last_against(opens, closes, i, reach, 1.0)
            if j < i and close > highs[j] and close - highs[j] >= impulse * scale:
                append(bulls, highs[j], lows[j], age)
        elif bottom_left > 0.0 and close < bottom:
            bottom_left = 0.0
            j = last_against(opens, closes, i, reach, -1.0)
            if j < i and close < lows[j] and lows[j] - close >= impulse * scale:
                append(bears, lows[j], highs[j], age)
        if is_swing_high(highs, i - right, left, right):
            top, top_left = highs[i - right], life
        if is_swing_low(lows, i - right, left, right):
            bottom, bottom_left = lows[i - right], life
        balance = 0.0
        for row in range(1, 5):
            out[row, place] = close
        if bulls[0] > 0.0:
            newest = 1 + 3 * (int(bulls[0]) - 1)
            out[1, place], out[2, place] = bulls[newest], bulls[newest + 1]
            balance += 1.0 - squashed(close - bulls[newest], NEAR * scale)
        if bears[0] > 0.0:
            newest = 1 + 3 * (int(bears[0]) - 1)
            out[3, place], out[4, place] = bears[newest], bears[newest + 1]
            balance -= 1.0 - squashed(bears[newest] - close, NEAR * scale)
        out[0, place] = balance
        out[5, place] = balance
    state[TOP], state[TOP_LEFT] = top, top_left
    state[BOTTOM], state[BOTTOM_LEFT] = bottom, bottom_left


def last_against(opens: FloatArray, closes: FloatArray, i: int, reach: int, side: float) -> int:
    """Return the last of the `reach` bars before i that closed against the side, i if none did."""
    for j in range(i - 1, i - reach - 1, -1):
        if (closes[j] - opens[j]) * side < 0.0:
            return j
    return i
