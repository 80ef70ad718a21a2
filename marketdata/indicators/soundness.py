"""Is an indicator safe to score with? Its kernel bar by bar in plain Python, and as machine code.

Machine code checks no index, so what reaches outside of the arrays shows in plain Python, which
is stepped as live steps: one bar, and no more bars before it than the kernel declares.
"""

from math import nan

import numpy as np

from domain.bars import FloatArray, from_micros
from domain.errors import PLUGIN_FAULTS
from marketdata.indicators.columns import CLOSED
from marketdata.indicators.compiled import KernelError, over_slots
from marketdata.indicators.registry import Indicator

STEPPED = 200  # bars in plain Python once there is a value
AHEAD = 50  # bars a kernel finds after the last: what it makes of later ones is for another check
_MIDDLE = np.ones(1, dtype=np.int64)


def unsoundness_of(indicator: Indicator, columns: FloatArray) -> str:
    """Return in one line what is wrong with the indicator over these bars, '' for nothing."""
    size = columns.shape[1]
    if not size:
        return ""
    bars = np.pad(columns, ((0, 0), (0, AHEAD)), mode="edge")
    stepped = np.full((len(indicator.outputs) + 1, min(size, indicator.first_value + STEPPED)), nan)
    done, fault = _step(indicator, bars, stepped)
    what = _misreach(fault)
    if not what:
        # Division by zero and the like raise in plain Python alone: machine code has the say.
        try:
            table, is_tidy = _compute(indicator, bars, size)
        except KernelError as error:
            what, done = f"has no machine code: {error}", size
        except PLUGIN_FAULTS as error:
            what = f"raises {type(error).__name__}: {error}"
            done = done if fault else size
        else:
            what, done = _misvalue(indicator, table, stepped[:, :done], is_tidy=is_tidy)
    if not what:
        return ""
    at = f" at {from_micros(int(columns[CLOSED, done])):%Y-%m-%d %H:%MZ}" if done < size else ""
    return " ".join(f"indicator '{indicator.name}'{at} {what}".split())


def _step(
    indicator: Indicator, bars: FloatArray, out: FloatArray
) -> tuple[int, BaseException | None]:
    """Fill `out` by plain Python, bar by bar; return how many bars, and what stopped it."""
    state = np.zeros(indicator.size)
    numbers = np.array(indicator.numbers, dtype=np.float64)
    numbers.setflags(write=False)
    for bar in range(out.shape[1]):
        low = max(0, bar - indicator.lookback + 1)
        seen = bars[:, low : bar + 1 + AHEAD]
        seen.setflags(write=False)
        try:
            with np.errstate(all="ignore"):
                indicator.kernel(
                    *(seen, -low, bar - low, bar - low + 1),
                    *(state, numbers, out[:, bar : bar + 1]),
                )
        except PLUGIN_FAULTS as fault:
            return bar, fault
    return out.shape[1], None


def _misreach(fault: BaseException | None) -> str:
    """Return how the kernel left its arrays, '' when its fault is another one or none."""
    if isinstance(fault, IndexError):
        return f"reads or writes outside its arrays: {fault}"
    if isinstance(fault, ValueError) and "read-only" in str(fault):
        return "writes outside its arrays: bars and numbers may only be read"
    return ""


def _compute(indicator: Indicator, bars: FloatArray, size: int) -> tuple[FloatArray, bool]:
    """Return the machine code's outputs, and whether it left all else as it was."""
    given = np.array([bars, bars, bars])  # the first and the last of three are guards
    numbers = np.array(indicator.numbers, dtype=np.float64)
    out = np.full((3, len(indicator.outputs) + 1, size), nan)
    over_slots(indicator.kernel)(
        *(given, _MIDDLE, _MIDDLE - 1, _MIDDLE - 1, _MIDDLE * size),
        *(np.zeros((3, indicator.size)), numbers, out, np.full((3, 4, 1), nan), 0),
    )
    is_tidy = (
        np.isnan(out[::2]).all()
        and np.array_equal(given[1], bars, equal_nan=True)
        and numbers.tolist() == list(indicator.numbers)
    )
    return out[1], bool(is_tidy)


def _misvalue(
    indicator: Indicator, table: FloatArray, stepped: FloatArray, *, is_tidy: bool
) -> tuple[str, int]:
    """Return what is wrong with the values and at which bar; '' and no bar for nothing."""
    size = table.shape[1]
    if not is_tidy:
        return "writes outside its arrays", size
    for bar, row in np.argwhere(np.isinf(table.T)).tolist()[:1]:
        return f"gives {table[row, bar]}; allowed: finite values and NaN", bar
    for (bar,) in np.argwhere(np.abs(table[-1]) > 1.0).tolist()[:1]:
        return f"gives {table[-1, bar]}; allowed: -1 to +1", bar
    batch = table[:, : stepped.shape[1]]
    is_other = (batch != stepped) & ~(np.isnan(batch) & np.isnan(stepped))
    for bar, row in np.argwhere(is_other.T).tolist()[:1]:
        values = f"{stepped[row, bar]} bar by bar, {batch[row, bar]} over all bars"
        why = "it keeps something outside its state, or reads bars it may not"
        return f"gives {values}: {why}", bar
    return "", size
