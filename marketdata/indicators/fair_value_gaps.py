"""Fair value gaps: prices that three bars in a row left untraded, until somebody fills them."""

from dataclasses import dataclass
from math import nan

from marketdata.indicators.columns import CLOSE, HIGH, LOW
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged


@dataclass(frozen=True)
class FairValueGapsParams(IndicatorParams):
    """Bars after which an open gap is forgotten."""

    life: int = ranged(100, 3, 400)


DEFAULT = FairValueGapsParams()


@INDICATORS.register("fair_value_gaps")
def fair_value_gaps(params: FairValueGapsParams = DEFAULT) -> Indicator:
    """Return the fold: raw is the open room of bullish gaps less that of bearish ones.

    Normalised is that difference over the sum of both and the mean bar range.
    """
    return Indicator(
        name="fair_value_gaps",
        family="structure",
        inputs=("high", "low", "close"),
        outputs=("balance", "below", "above", "count_below", "count_above"),
        params=params,
        first_value=params.life + 1,
        warmup=params.life + 1,
        kernel=fair_value_gaps_kernel,
        numbers=(float(params.life),),
        lookback=params.life + 2,
    )


def fair_value_gaps_kernel(bars, start, first, last, _state, numbers, out):  # type: ignore[no-untyped-def]
    """Walk back from the newest bar: what later bars left of each gap is known on the way."""
    highs, lows, closes = bars[HIGH], bars[LOW], bars[CLOSE]
    life = int(numbers[0])
    for i in range(first, last):
        place = i - first
        if i - start <= life:
            for row in range(6):
                out[row, place] = nan
            continue
        floor, ceiling = lows[i], highs[i]  # of the bars from the gap's third on
        bullish = bearish = ranges = 0.0
        below = above = closes[i]
        count_below = count_above = 0.0
        for third in range(i, i - life, -1):
            floor = min(floor, lows[third])
            ceiling = max(ceiling, highs[third])
            ranges += highs[third] - lows[third]
            if floor > highs[third - 2]:
                if count_below == 0.0:
                    below = floor
                bullish += floor - highs[third - 2]
                count_below += 1.0
            elif ceiling < lows[third - 2]:
                if count_above == 0.0:
                    above = ceiling
                bearish += lows[third - 2] - ceiling
                count_above += 1.0
        whole = bullish + bearish + ranges / life
        out[0, place] = bullish - bearish
        out[1, place] = below
        out[2, place] = above
        out[3, place] = count_below
        out[4, place] = count_above
        out[5, place] = (bullish - bearish) / whole if whole > 0.0 else 0.0
