"""Machine code: marked by everything it is made of, the bits of plain Python."""

import numpy as np
import pytest

from marketdata.indicators.compiled import KernelError, compiled, mark, over_slots
from marketdata.indicators.windows import highest, lowest, window_sum

FACTOR = 2.0


def doubled(value: float) -> float:
    return FACTOR * value


def quadrupled(value: float) -> float:
    return doubled(doubled(value))


def test_machine_code_when_a_function_calls_others_computes_the_same() -> None:
    assert compiled(quadrupled)(0.1) == quadrupled(0.1) == 0.4
    assert compiled(quadrupled) is compiled(quadrupled)


def test_mark_when_anything_called_changes_is_another(monkeypatch) -> None:
    before = mark(quadrupled)
    assert mark(quadrupled) == before
    monkeypatch.setitem(globals(), "FACTOR", 3.0)
    assert mark(quadrupled) != before
    monkeypatch.undo()
    assert mark(quadrupled) == before
    monkeypatch.setitem(globals(), "doubled", lambda value: value + value)
    assert mark(quadrupled) != before


def test_windows_when_compared_with_numpy_agree() -> None:
    values = np.random.default_rng(3).normal(size=400)
    for begin, end in ((0, 1), (3, 10), (7, 107), (20, 400)):
        cut = values[begin:end]
        assert window_sum(values, begin, end) == compiled(window_sum)(values, begin, end)
        assert abs(window_sum(values, begin, end) - cut.sum()) < 1e-12
        assert highest(values, begin, end) == compiled(highest)(values, begin, end) == cut.max()
        assert lowest(values, begin, end) == compiled(lowest)(values, begin, end) == cut.min()


def test_window_sum_when_taken_of_a_longer_array_has_the_same_bits() -> None:
    values = np.random.default_rng(4).normal(size=400)
    total = window_sum(values, 100, 150)
    assert total == window_sum(values[100:150].copy(), 0, 50)
    assert total == window_sum(np.concatenate([np.zeros(1), values]), 101, 151)


def objects_kernel(bars, start, first, last, state, numbers, out):
    for i in range(first, last):
        out[0, i - first] = len({str(i): object()})


def median_kernel(bars, start, first, last, state, numbers, out):
    for i in range(first, last):
        out[0, i - first] = np.median(bars[0])


@pytest.mark.parametrize(
    ("kernel", "why"),
    [
        (
            objects_kernel,
            "Untyped global name 'object': Cannot determine Numba type of <class 'type'>",
        ),
        (median_kernel, "No implementation of function Function(<function median at "),
    ],
)
def test_kernel_when_it_is_no_scalar_code_is_refused_in_one_line(kernel, why: str) -> None:
    with pytest.raises(KernelError) as refused:
        over_slots(kernel)
    said = str(refused.value)
    named = f"kernel {kernel.__name__} (test_compiled.py) cannot be compiled: "
    assert said.startswith(named + why)
    assert said.isprintable()
    assert len(said) <= 200
