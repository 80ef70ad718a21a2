"""Kernels as machine code: plain Python functions, compiled at first use and kept on disk.

A kernel is a plain function that reads arrays and may call other plain functions. Importing numba
costs half a second, so nothing is compiled before a value is wanted; web and beat never load it.
"""

import hashlib
import re
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import PurePath
from types import CodeType, FunctionType
from typing import Any

from domain.errors import PlumblineError
from marketdata.indicators.registry import Indicator

Function = Callable[..., Any]

# A kernel makes no arrays: without numba's counts of who holds one, a live bar costs half.
OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}
COLOURS = re.compile(r"\x1b\[[0-9;]*m")  # numba writes for terminals
LONGEST_REFUSAL = 200


class KernelError(PlumblineError):
    """A kernel is not the plain scalar code that can be compiled."""

    code = "bad_kernel"


@cache
def compiled(function: Function) -> Function:
    """Return the function, and every plain one it calls, as machine code.

    Float operations keep their order (no fast maths), so the bits are those of plain Python.
    """
    ready = _bound(function, {name: compiled(one) for name, one in _called(function).items()})
    return _made(None, ready)


@cache
def over_slots(kernel: Function) -> Function:
    """Return machine code that moves many series by one kernel in one call."""
    from numba.core.errors import NumbaError  # noqa: PLC0415 - half a second, where it is used

    ready = _bound(_over_slots, {"kernel": compiled(kernel)}, f"_{kernel.__name__}_{mark(kernel)}")
    signature = (
        "void(f8[:,:,::1], i8[::1], i8[::1], i8[::1], i8[::1], f8[:,::1], f8[::1], f8[:,:,::1],"
        " f8[:,:,::1], i8)"
    )
    try:
        return _made(signature, ready)
    except NumbaError as error:
        raise KernelError(_refusal(kernel, str(error))) from None


def make_ready(indicators: Iterable[Indicator]) -> None:
    """Make the indicators' machine code now, and keep it on disk for every other process."""
    for indicator in indicators:
        over_slots(indicator.kernel)


def _refusal(kernel: Function, said: str) -> str:
    """Return in one line which kernel it is, and the first of many lines that says why."""
    lines = [" ".join(line.split()) for line in COLOURS.sub("", said).splitlines()]
    useful = [line for line in lines if line and not line.startswith("Failed in nopython")]
    why = " ".join(useful[: 2 if useful and useful[0].endswith(":") else 1])  # a call follows
    file = PurePath(kernel.__code__.co_filename).name
    return f"kernel {kernel.__name__} ({file}) cannot be compiled: {why}"[:LONGEST_REFUSAL]


def _made(signature: str | None, function: Function) -> Function:
    """Return machine code, kept on disk if any folder for that can be written."""
    from numba import njit  # noqa: PLC0415 - see above

    try:
        kept: Function = njit(signature, cache=True, **OPTIONS)(function)
    except RuntimeError:  # a read-only install without a home
        kept = njit(signature, **OPTIONS)(function)
    return kept


def _over_slots(  # type: ignore[no-untyped-def]
    bars, slots, starts, firsts, lasts, states, numbers, out, now, column
):
    """Run the kernel over each slot's new bars, and note its values now and one bar earlier.

    `now[slot]` has four rows: raw, normalised, and both one bar before.
    """
    for place in range(len(slots)):
        slot, size = slots[place], lasts[place] - firsts[place]
        values, rows = now[slot], out[slot]
        kernel(  # type: ignore[name-defined]  # noqa: F821 - bound when compiled
            bars[slot],
            starts[place],
            firsts[place],
            lasts[place],
            states[slot],
            numbers,
            rows,
        )
        if size > 1:
            values[2, column] = rows[0, size - 2]
            values[3, column] = rows[rows.shape[0] - 1, size - 2]
        else:
            values[2, column] = values[0, column]
            values[3, column] = values[1, column]
        if size > 0:
            values[0, column] = rows[0, size - 1]
            values[1, column] = rows[rows.shape[0] - 1, size - 1]


def mark(function: Function) -> str:
    """Return eight letters that change with the function's code or any it calls.

    The machine code on disk bears them: its keeper looks at one file, not at those called.
    """
    digest = hashlib.sha256(f"{OPTIONS}{_text(function.__code__)}".encode())
    for name in function.__code__.co_names:
        value = function.__globals__.get(name)
        if isinstance(value, int | float):  # machine code freezes constants
            digest.update(f"{name}={value!r}".encode())
    for name, called in sorted(_called(function).items()):
        digest.update(f"{name}:{mark(called)}".encode())
    return digest.hexdigest()[:8]


def _called(function: Function) -> dict[str, Function]:
    """Return the plain Python functions among the names the function uses."""
    found = {name: function.__globals__.get(name) for name in function.__code__.co_names}
    return {name: one for name, one in found.items() if isinstance(one, FunctionType)}


def _bound(function: Function, names: dict[str, Function], suffix: str = "") -> Function:
    """Return a twin of the function that finds `names` among its globals."""
    twin = FunctionType(
        function.__code__, {**function.__globals__, **names}, function.__name__, None, None
    )
    twin.__qualname__ = f"{function.__qualname__}{suffix or '_' + mark(function)}"
    twin.__module__ = function.__module__
    return twin


def _text(code: CodeType) -> str:
    consts = [_text(one) if isinstance(one, CodeType) else repr(one) for one in code.co_consts]
    return f"{code.co_code.hex()} {code.co_names} {consts}"
