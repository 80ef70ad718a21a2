"""Aroon (Chande 1995): how lately the highest high and the lowest low were made."""

from dataclasses import dataclass

from domain.bars import FloatArray
from marketdata.indicators.columns import HIGH, LOW
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import TILE, blank, greater, lesser


@dataclass(frozen=True)
class AroonParams(IndicatorParams):
    """Bars back that an extreme may lie."""

    period: int = ranged(14, 2, 400)


DEFAULT = AroonParams()


@INDICATORS.register("aroon")
def aroon(params: AroonParams = DEFAULT) -> Indicator:
    """Return the fold: raw is up - down, -100…100; normalised raw / 100."""
    return Indicator(
        name="aroon",
        family="trend",
        inputs=("high", "low"),
        outputs=("oscillator", "up", "down"),
        params=params,
        first_value=params.period,
        warmup=params.period,
        kernel=aroon_kernel,
        numbers=(float(params.period),),
        lookback=params.period + 1,
    )


def window_peaks(
    values: FloatArray, begin: int, end: int, period: int, best: FloatArray, since: FloatArray
) -> None:
    """Write the greatest of the last values and how many bars before it came, at latest."""
    for tile in range(begin, end, TILE):
        size = min(TILE, end - tile)
        tops = best[tile - begin : tile - begin + size]
        ages = since[tile - begin : tile - begin + size]
        row = values[tile + 1 - period : tile + 1 - period + size]
        for place in range(size):
            tops[place], ages[place] = row[place], period - 1.0
        fours = 1 + (period - 1) // 4 * 4
        for back in range(1, fours, 4):
            row = values[tile + 1 - period + back : tile + 4 - period + back + size]
            age = float(period - 1 - back)
            for place in range(size):
                top, found = tops[place], ages[place]
                found = age if row[place] >= top else found
                top = greater(row[place], top)
                found = age - 1.0 if row[place + 1] >= top else found
                top = greater(row[place + 1], top)
                found = age - 2.0 if row[place + 2] >= top else found
                top = greater(row[place + 2], top)
                found = age - 3.0 if row[place + 3] >= top else found
                tops[place], ages[place] = greater(row[place + 3], top), found
        for back in range(fours, period):
            row = values[tile + 1 - period + back : tile + 1 - period + back + size]
            age = float(period - 1 - back)
            for place in range(size):
                ages[place] = age if row[place] >= tops[place] else ages[place]
                tops[place] = greater(row[place], tops[place])


def window_troughs(
    values: FloatArray, begin: int, end: int, period: int, best: FloatArray, since: FloatArray
) -> None:
    """Write the least of the last values and how many bars before it came, at latest."""
    for tile in range(begin, end, TILE):
        size = min(TILE, end - tile)
        lows = best[tile - begin : tile - begin + size]
        ages = since[tile - begin : tile - begin + size]
        row = values[tile + 1 - period : tile + 1 - period + size]
        for place in range(size):
            lows[place], ages[place] = row[place], period - 1.0
        fours = 1 + (period - 1) // 4 * 4
        for back in range(1, fours, 4):
            row = values[tile + 1 - period + back : tile + 4 - period + back + size]
            age = float(period - 1 - back)
            for place in range(size):
                low, found = lows[place], ages[place]
                found = age if row[place] <= low else found
                low = lesser(row[place], low)
                found = age - 1.0 if row[place + 1] <= low else found
                low = lesser(row[place + 1], low)
                found = age - 2.0 if row[place + 2] <= low else found
                low = lesser(row[place + 2], low)
                found = age - 3.0 if row[place + 3] <= low else found
                lows[place], ages[place] = lesser(row[place + 3], low), found
        for back in range(fours, period):
            row = values[tile + 1 - period + back : tile + 1 - period + back + size]
            age = float(period - 1 - back)
            for place in range(size):
                ages[place] = age if row[place] <= lows[place] else ages[place]
                lows[place] = lesser(row[place], lows[place])


def aroon_kernel(bars, start, first, last, _state, numbers, out):  # type: ignore[no-untyped-def]
    """Look the window through afresh at every bar."""
    period = int(numbers[0])
    whole = min(max(first, start + period), last)
    blank(out, whole - first)
    oscillator, up = out[0, whole - first :], out[1, whole - first :]
    down, normalised = out[2, whole - first :], out[3, whole - first :]
    window_peaks(bars[HIGH], whole, last, period + 1, oscillator, up)
    window_troughs(bars[LOW], whole, last, period + 1, oscillator, down)
    for place in range(last - whole):
        top, bottom = up[place], down[place]
        up[place] = 100.0 * (period - top) / period
        down[place] = 100.0 * (period - bottom) / period
        oscillator[place] = 100.0 * (bottom - top) / period
        normalised[place] = (bottom - top) / period
