"""What an indicator set says at one bar, over one timeframe or several."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from domain.bars import Timeframe
from domain.signals import Regime
from marketdata.indicators.fold import BlockFold, Values
from marketdata.indicators.registry import Indicator, make_indicator, parse_spec
from mlweights.regimes import regime_of


@dataclass(frozen=True)
class Layout:
    """Which folds a set of names needs: one per timeframe, the scored bars' own first.

    `places` says where each name's value lies: (fold, indicator).
    """

    timeframes: tuple[Timeframe, ...]
    specs: tuple[tuple[str, ...], ...]
    places: tuple[tuple[int, int], ...]

    def indicators(self, fold: int, detector: Indicator) -> tuple[Indicator, ...]:
        """Return one fold's indicators; the scored bars' own end with the regime's detector."""
        chosen = tuple(make_indicator(spec) for spec in self.specs[fold])
        return chosen if fold else (*chosen, detector)


@cache
def layout_of(names: tuple[str, ...], timeframe: Timeframe) -> Layout:
    """Return where the named indicators are computed when bars of `timeframe` are scored."""
    specs: dict[Timeframe, list[str]] = {timeframe: []}
    places = []
    for name in names:
        own = specs.setdefault(parse_spec(name).timeframe or timeframe, [])
        places.append((list(specs).index(parse_spec(name).timeframe or timeframe), len(own)))
        own.append(name.partition("@")[0])
    return Layout(tuple(specs), tuple(map(tuple, specs.values())), tuple(places))


@dataclass(frozen=True, slots=True)
class Readings:
    """The values at the last bar and at the one before it, in the order of the names."""

    raw: Values
    normalised: Values
    raw_before: Values
    normalised_before: Values
    regime: Regime
    bars_from: datetime
    bars_hash: str


def read(layout: Layout, folds: Sequence[BlockFold | None]) -> Readings:
    """Return what the folds say now; one that has no bar yet gives no values."""
    base = folds[0]
    if base is None or base.bars_from is None:
        raise ValueError("a fold without bars says nothing")
    present = [fold for fold in folds if fold is not None]
    now = [fold.values if fold else None for fold in folds]

    def picked(kind: int) -> Values:
        return tuple(
            [values[kind][one] if (values := now[fold]) else None for fold, one in layout.places]
        )

    hashes = [fold.bars_hash for fold in present]
    return Readings(
        raw=picked(0),
        normalised=picked(1),
        raw_before=picked(2),
        normalised_before=picked(3),
        regime=regime_of(base.outputs(len(base.indicators) - 1)),
        bars_from=min(fold.bars_from or base.bars_from for fold in present),
        bars_hash=hashes[0] if len(folds) == 1 else _joined(hashes),
    )


def _joined(hashes: Sequence[str]) -> str:
    return hashlib.sha256("".join(hashes).encode()).hexdigest()
