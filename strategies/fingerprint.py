"""What a proof is about: a hash of everything that makes a bot decide as it does. Pure."""

import hashlib
import inspect
import json
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from typing import Any

from domain.signals import WeightSet
from marketdata.indicators.compiled import mark
from marketdata.indicators.regime_mixture import DEFAULT, fitted_regime, unfitted_numbers
from marketdata.indicators.registry import make_indicator
from strategies import confirmation
from strategies.bots.registry import RegisteredStrategy

UNFITTED = fitted_regime(unfitted_numbers(DEFAULT))
PYTHONS = frozenset({"builtins", "typing", "abc"})


def fingerprint_of(
    *,
    name: str,
    strategy: RegisteredStrategy,
    timeframe: str,
    instruments: Sequence[str],
    indicators: Collection[str],
) -> str:
    """Return the SHA-256 of a strategy at work: any change of input or code gives another.

    `indicators` are the names it reads: its own weights' or the learned ones'. The values of
    learned weights and which regime detector was fitted are left out: they change with every
    training, and no decision looks ahead because of them. The code of both detectors counts.
    """
    kernels = {spec: mark(make_indicator(spec.partition("@")[0]).kernel) for spec in indicators}
    facts = {
        "strategy": name,
        "parameters": asdict(strategy.params),
        "timeframe": timeframe,
        "instruments": sorted(instruments),
        "weights": weights_text(strategy.weight_sets()),
        "kernels": dict(sorted(kernels.items())),
        "detectors": [mark(one.kernel) for one in (make_indicator("regime"), UNFITTED)],
        "code": dict(sorted(sources_of(strategy).items())),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def weights_text(weight_sets: Mapping[str, WeightSet]) -> dict[str, str]:
    """Return each regime's weights as text."""
    return {regime: one.to_json() for regime, one in sorted(weight_sets.items())}


def sources_of(strategy: RegisteredStrategy) -> dict[str, str]:
    """Return a hash of every file a decision of the strategy runs through, by module."""
    modules = {confirmation.__name__}
    for one in parts_of(strategy):
        kinds = (*type(one).__mro__, *type(one.params).__mro__)
        modules.update(kind.__module__ for kind in kinds)
    return {module: _source(module) for module in modules - PYTHONS}


@cache  # what is loaded is what runs, whatever the file says later
def _source(module: str) -> str:
    return hashlib.sha256(inspect.getsource(sys.modules[module]).encode()).hexdigest()


def parts_of(strategy: RegisteredStrategy) -> Iterator[RegisteredStrategy]:
    """Yield the strategy and those it asks in turn."""
    yield strategy
    for value in vars(strategy).values():
        for one in _flat(value):
            if isinstance(one, RegisteredStrategy):
                yield from parts_of(one)


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        value = tuple(value.values())
    if isinstance(value, list | tuple):
        for one in value:
            yield from _flat(one)
    else:
        yield value
