"""Weights and scores: what each indicator counts, and what came out."""

import json
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from domain.errors import PlumblineError

SCORE_UNIT = 1_000_000_000  # scores and thresholds are whole billionths


class WeightSetError(PlumblineError):
    """The weights cannot be used for scoring."""

    code = "bad_weight_set"


@dataclass(frozen=True)
class WeightSet:
    """One weight per indicator, in fixed order; thresholds in billionths of a score.

    A score at or above `buy_threshold` says buy, at or below `sell_threshold` sell, else hold.
    """

    names: tuple[str, ...]
    weights: tuple[float, ...]
    buy_threshold: int
    sell_threshold: int

    def __post_init__(self) -> None:
        if len(self.names) != len(self.weights):
            counts = f"{len(self.names)} names and {len(self.weights)} weights"
            raise WeightSetError(f"each indicator needs one weight: got {counts}")
        if len(set(self.names)) != len(self.names):
            raise WeightSetError(f"an indicator is named twice: {', '.join(self.names)}")
        for name, weight in zip(self.names, self.weights, strict=True):
            if not isfinite(weight):
                raise WeightSetError(f"the weight of '{name}' is {weight}, not a number")
        if not any(self.weights):
            raise WeightSetError("every weight is zero: no score would come of it")
        if not isfinite(sum(map(abs, self.weights))):
            raise WeightSetError("the weights are too large to be added")
        self._check_thresholds()

    def _check_thresholds(self) -> None:
        for side in ("buy_threshold", "sell_threshold"):
            value = getattr(self, side)
            if type(value) is not int or abs(value) > SCORE_UNIT:
                allowed = f"a whole number within ±{SCORE_UNIT}"
                raise WeightSetError(f"{side} is {value!r}, must be {allowed}")
        if self.sell_threshold >= self.buy_threshold:
            both = f"{self.sell_threshold} and {self.buy_threshold}"
            raise WeightSetError(f"the sell threshold must lie below the buy threshold, got {both}")

    def side_of(self, value: int) -> int:
        """Return +1 (buy), -1 (sell) or 0 (hold) for a score in billionths."""
        return int(value >= self.buy_threshold) - int(value <= self.sell_threshold)

    def strength_of(self, value: int) -> str:
        """Return weak, medium or strong: the third of the way from the threshold to ±1."""
        side = self.side_of(value)
        if not side:
            return ""
        threshold = self.buy_threshold if side > 0 else -self.sell_threshold
        passed, room = side * value - threshold, SCORE_UNIT - threshold
        return "strong" if 3 * passed >= 2 * room else "medium" if 3 * passed >= room else "weak"

    def scaled(self, factor_e9: int) -> "WeightSet":
        """Return the set with thresholds `factor_e9` billionths as far from 0, at most ±1."""

        def moved(threshold: int) -> int:
            far = (2 * threshold * factor_e9 + SCORE_UNIT) // (2 * SCORE_UNIT)
            return max(-SCORE_UNIT, min(SCORE_UNIT, far))

        return replace(
            self,
            buy_threshold=moved(self.buy_threshold),
            sell_threshold=moved(self.sell_threshold),
        )

    def as_json(self) -> dict[str, Any]:
        """Return the weights as plain JSON values; floats survive the way there and back."""
        return {
            "names": list(self.names),
            "weights": list(self.weights),
            "buy_threshold": self.buy_threshold,
            "sell_threshold": self.sell_threshold,
        }

    def to_json(self) -> str:
        """Return the weights as one line of JSON, the same for equal weights."""
        return json.dumps(self.as_json(), sort_keys=True, allow_nan=False)

    @classmethod
    def from_json(cls, data: str | dict[str, Any]) -> "WeightSet":
        """Return the weights written by `as_json` or `to_json`; anything else is refused."""
        try:
            plain = json.loads(data) if isinstance(data, str) else data
            return cls(
                names=tuple(str(name) for name in plain["names"]),
                weights=tuple(float(weight) for weight in plain["weights"]),
                buy_threshold=plain["buy_threshold"],
                sell_threshold=plain["sell_threshold"],
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise WeightSetError(f"not a weight set: {type(error).__name__} {error}") from None


@dataclass(frozen=True, slots=True)
class Regime:
    """What kind of market it is: trending, ranging or volatile, and high or low volatility.

    '' while nothing can be said.
    """

    trend: str = ""
    volatility: str = ""


NO_REGIME = Regime()


@dataclass(frozen=True)
class Score:
    """The weighted sum at one bar in billionths, None when no indicator had a value.

    `contributions` add up to the score, in the order of the weights, None where missing; an
    indicator with weight 0 is looked at only, and never missing.
    """

    value: int | None
    contributions: tuple[float | None, ...]
    missing: tuple[str, ...]


DEFAULT_WEIGHTS = WeightSet(
    names=("rsi", "macd", "bollinger", "ema_cross", "parabolic_sar", "supertrend"),
    weights=(1 / 6, 1 / 6, 1 / 6, 1 / 6, 1 / 6, 1 / 6),
    buy_threshold=400_000_000,
    sell_threshold=-400_000_000,
)
