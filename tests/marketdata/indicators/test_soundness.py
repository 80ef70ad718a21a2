"""Bad kernels, planted: each is named before anything is scored with it; good ones pass."""

from math import inf, nan

import numpy as np
import pytest

from marketdata.indicators.columns import CLOSE, VOLUME
from marketdata.indicators.registry import Indicator, IndicatorParams, indicator_set
from marketdata.indicators.soundness import unsoundness_of
from tests.marketdata.indicators import suite

BARS = suite.walk_bars(400, seed=7)
FIRST = "2004-02-28 00:00Z"
OUTSIDE = "reads or writes outside its arrays:"
UNCOMPILED = "has no machine code: kernel objects_kernel (test_soundness.py) cannot be compiled:"
UNTYPED = "Cannot determine Numba type of <class 'type'>"


def raising_kernel(bars, start, first, last, state, numbers, out):
    for i in range(first, last):
        if i - start == 3:
            raise ValueError("boom")
        out[0, i - first] = out[1, i - first] = 0.0


def late_raising_kernel(bars, start, first, last, state, numbers, out):
    for i in range(first, last):
        if i - start == 350:
            raise ValueError("late boom")
        out[0, i - first] = out[1, i - first] = 0.0


def wide_kernel(bars, start, first, last, state, numbers, out):
    for i in range(first, last):
        out[0, i - first] = 1.0
        out[1, i - first] = 17.0 if i - start >= 300 else -1.0


def infinite_kernel(bars, start, first, last, state, numbers, out):
    for i in range(first, last):
        out[0, i - first] = 1.0
        out[1, i - first] = inf if i - start == 1 else nan


def scribbling_kernel(bars, start, first, last, state, numbers, out):
    for i in range(first, last):
        bars[VOLUME, i] = 0.0
        out[0, i - first] = out[1, i - first] = 0.0


def counting_kernel(bars, start, first, last, state, numbers, out):
    for i in range(first, last):
        numbers[0] += 1.0
        out[0, i - first] = out[1, i - first] = 0.0


def late_scribbling_kernel(bars, start, first, last, state, numbers, out):
    for i in range(first, last):
        out[0, i - first] = out[1, i - first] = 0.0
        if i - start == 350:
            bars[VOLUME, i] += 1.0


def outside_kernel(bars, start, first, last, state, numbers, out):
    for i in range(first, last):
        out[2, i - first] = out[1, i - first] = 0.0


def late_outside_kernel(bars, start, first, last, state, numbers, out):
    for i in range(first, last):
        out[0, i - first] = out[1, i - first] = 0.0
        if i - start == 350:
            out[2, i - first] = 0.5


def state_kernel(bars, start, first, last, state, numbers, out):
    for i in range(first, last):
        state[1] = 1.0
        out[0, i - first] = out[1, i - first] = 0.0


def wrapping_kernel(bars, start, first, last, state, numbers, out):
    for i in range(first, last):
        out[0, i - first] = out[1, i - first] = bars[CLOSE, i - 1] / 1e6


def forgetful_kernel(bars, start, first, last, state, numbers, out):
    highest = 0.0
    for i in range(first, last):
        highest = max(highest, bars[CLOSE, i])
        out[0, i - first] = highest
        out[1, i - first] = 0.0


def objects_kernel(bars, start, first, last, state, numbers, out):
    for i in range(first, last):
        out[0, i - first] = out[1, i - first] = len({str(i): object()})


def dividing_kernel(bars, start, first, last, state, numbers, out):
    for i in range(first, last):
        share = 0.0 / max(0, 0)  # a fault in plain Python, NaN as machine code
        out[0, i - first] = out[1, i - first] = share


def planted(kernel) -> Indicator:
    return Indicator(
        *("planted", "trend", ("close",), ("planted",), IndicatorParams()),
        *(0, 1, kernel, (0.0,), 2, 1),
    )


@pytest.mark.parametrize(
    ("kernel", "said"),
    [
        (raising_kernel, " at 2004-03-02 00:00Z raises ValueError: boom"),
        (late_raising_kernel, " raises ValueError: late boom"),
        (wide_kernel, " at 2004-12-24 00:00Z gives 17.0; allowed: -1 to +1"),
        (infinite_kernel, " at 2004-02-29 00:00Z gives inf; allowed: finite values and NaN"),
        (
            scribbling_kernel,
            f" at {FIRST} writes outside its arrays: bars and numbers may only be read",
        ),
        (
            counting_kernel,
            f" at {FIRST} writes outside its arrays: bars and numbers may only be read",
        ),
        (late_scribbling_kernel, " writes outside its arrays"),
        (
            outside_kernel,
            f" at {FIRST} {OUTSIDE} index 2 is out of bounds for axis 0 with size 2",
        ),
        (late_outside_kernel, " writes outside its arrays"),
        (
            state_kernel,
            f" at {FIRST} {OUTSIDE} index 1 is out of bounds for axis 0 with size 1",
        ),
        (
            objects_kernel,
            f" {UNCOMPILED} Untyped global name 'object': {UNTYPED}",
        ),
        (dividing_kernel, ""),
    ],
)
def test_unsoundness_when_a_kernel_is_bad_names_it_with_its_bar(kernel, said: str) -> None:
    whole = f"indicator 'planted'{said}" if said else ""
    assert unsoundness_of(planted(kernel), suite.columns_over(BARS)) == whole


@pytest.mark.parametrize("kernel", [wrapping_kernel, forgetful_kernel])
def test_unsoundness_when_bars_alone_and_together_differ_says_so(kernel) -> None:
    said = unsoundness_of(planted(kernel), suite.columns_over(BARS))
    assert "over all bars: it keeps something outside its state, or reads bars it may not" in said


def test_unsoundness_when_indicators_are_good_is_empty_and_leaves_the_bars() -> None:
    columns = suite.columns_over(BARS)
    before = columns.copy()
    assert [unsoundness_of(one, columns) for one in indicator_set()] == [""] * 6
    assert np.array_equal(columns, before, equal_nan=True)


def test_unsoundness_when_there_are_no_bars_is_empty() -> None:
    assert unsoundness_of(planted(wide_kernel), suite.columns_over(BARS)[:, :0]) == ""
