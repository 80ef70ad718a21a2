"""Volume profile: at which prices a window's volume was traded."""

from dataclasses import dataclass
from math import isnan, nan

from marketdata.indicators.columns import CLOSE, HIGH, LOW, VOLUME
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import held, window_highs, window_lows, window_sums


@dataclass(frozen=True)
class VolumeProfileParams(IndicatorParams):
    """Bars of the window, price bins between its low and high, share of the value area."""

    period: int = ranged(50, 2, 400)
    bins: int = ranged(24, 3, 200)
    share: float = ranged(0.7, 0.1, 0.99)


DEFAULT = VolumeProfileParams()


@INDICATORS.register("volume_profile")
def volume_profile(params: VolumeProfileParams = DEFAULT) -> Indicator:
    """Return the fold: raw is the price in the middle of the fullest bin.

    Normalised is 0 for a close there, -1 and +1 at the value area's edges and beyond.
    """
    return Indicator(
        name="volume_profile",
        family="volume",
        inputs=("high", "low", "close", "volume"),
        outputs=("point_of_control", "value_area_high", "value_area_low"),
        params=params,
        first_value=params.period - 1,
        warmup=params.period - 1,
        kernel=volume_profile_kernel,
        numbers=(float(params.period), float(params.bins), params.share),
        lookback=params.period,
        size=params.bins + 2 * params.period,
    )


def volume_profile_kernel(bars, start, first, last, state, numbers, out):  # type: ignore[no-untyped-def]
    """Fill the bins afresh at every bar; the state is only their room."""
    highs, lows, closes, volume = bars[HIGH], bars[LOW], bars[CLOSE], bars[VOLUME]
    period, bins, share = int(numbers[0]), int(numbers[1]), numbers[2]
    lows_at, highs_at = state[bins:], state[bins + period :]
    whole = min(max(first, start + period - 1), last)
    window_sums(volume, whole, last, period, out[0, whole - first :])
    window_highs(highs, whole, last, period, out[1, whole - first :])
    window_lows(lows, whole, last, period, out[2, whole - first :])
    for i in range(first, last):
        control = top = bottom = normalised = nan
        begin = i + 1 - period
        if begin >= start:
            total, floor_price = out[0, i - first], out[2, i - first]
            width = (out[1, i - first] - floor_price) / bins
            if total == 0.0 or (width <= 0.0 and not isnan(total)):
                control = top = bottom = closes[i]
                normalised = 0.0
            elif not isnan(total):
                for k in range(bins):
                    state[k] = 0.0
                low, high, amount = lows[begin : i + 1], highs[begin : i + 1], volume[begin : i + 1]
                for k in range(period):  # side by side, what is slow: divisions
                    lows_at[k] = (low[k] - floor_price) / width
                    highs_at[k] = (high[k] - floor_price) / width
                for k in range(period):
                    low_bin = min(int(lows_at[k]), bins - 1)
                    high_bin = min(int(highs_at[k]), bins - 1)
                    part = amount[k] / (high_bin + 1 - low_bin)
                    for place in range(low_bin, high_bin + 1):
                        state[place] += part

                fullest = 0
                for k in range(1, bins):
                    if state[k] > state[fullest]:
                        fullest = k
                # the area grows by the fuller neighbour until it holds the share
                low_bin = high_bin = fullest
                inside, wanted = state[fullest], share * total
                while inside < wanted and high_bin + 1 - low_bin < bins:
                    above = state[high_bin + 1] if high_bin + 1 < bins else -1.0
                    below = state[low_bin - 1] if low_bin > 0 else -1.0
                    if above >= below:
                        high_bin += 1
                        inside += above
                    else:
                        low_bin -= 1
                        inside += below
                control = floor_price + (fullest + 0.5) * width
                top = floor_price + (high_bin + 1) * width
                bottom = floor_price + low_bin * width
                # counted in bins: never nothing, even where prices have no digits left
                away = (closes[i] - floor_price) / width - (fullest + 0.5)
                edge = high_bin + 0.5 - fullest if away > 0.0 else fullest + 0.5 - low_bin
                normalised = held(away / edge, -1.0, 1.0)
        out[0, i - first] = control
        out[1, i - first] = top
        out[2, i - first] = bottom
        out[3, i - first] = normalised
