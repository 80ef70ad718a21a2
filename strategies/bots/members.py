"""Strategies made of strategies: how members are named, and what each of them is shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from domain.signals import WeightSet
from mlweights.scoring import weigh
from strategies.bots.base import BadBotParametersError, BotContext, StrategyParams, adapted
from strategies.bots.registry import RegisteredStrategy, make_strategy

MOST_MEMBERS = 20
SHARED = frozenset(one.name for one in fields(StrategyParams))


@dataclass(frozen=True)
class Member:
    """A strategy inside another: its name, its own parameters, and how much it counts."""

    strategy: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    weight: float = 1.0

    @classmethod
    def parse(cls, name: str, value: Any) -> "Member":
        """Return the member that a name, or a map of this class's fields, describes."""
        plain = {"strategy": value} if isinstance(value, str) else value
        known = {one.name for one in fields(cls)}
        is_plain = isinstance(plain, dict) and isinstance(plain.get("strategy"), str)
        if not is_plain or not set(plain) <= known:
            raise BadBotParametersError(
                f"{name} is {value!r}, wanted: a strategy's name or"
                " {'strategy': name, 'parameters': {…}, 'weight': 1.0}"
            )
        return cls(
            strategy=plain["strategy"],
            parameters=_parameters(name, plain.get("parameters", {})),
            weight=_weight(name, plain.get("weight", 1.0)),
        )


class Members(tuple[Member, ...]):
    """Several members, in the order in which they are asked."""

    __slots__ = ()

    @classmethod
    def parse(cls, name: str, value: Any) -> "Members":
        """Return the members that a list describes."""
        if not isinstance(value, list | tuple) or not 1 <= len(value) <= MOST_MEMBERS:
            raise BadBotParametersError(
                f"{name} is {value!r}, wanted: a list of 1 to {MOST_MEMBERS} strategies"
            )
        return cls(Member.parse(name, one) for one in value)


class Combined(RegisteredStrategy):
    """A strategy that decides through members, each by its own weights, score and rules.

    Size, direction and the rules of every entry are the combined strategy's alone.
    """

    def member(self, one: Member, direction: str) -> RegisteredStrategy:
        """Return the member at work; one that cannot be a member is refused."""
        shared = sorted(SHARED & set(one.parameters))
        if shared:
            raise BadBotParametersError(
                f"member {one.strategy!r} takes no '{shared[0]}': it is set once, for all members"
            )
        made = make_strategy(one.strategy, {**one.parameters, "direction": direction})
        if isinstance(made, Combined):
            raise BadBotParametersError(f"'{one.strategy}' has members itself and cannot be one")
        if not made.weight_sets():
            raise BadBotParametersError(
                f"'{one.strategy}' reads the learned weights and cannot be a member"
            )
        self.wants_chain = self.wants_chain or made.wants_chain
        return made

    def shown_to(self, member: RegisteredStrategy, context: BotContext) -> BotContext:
        """Return what the member would see if it were a bot of its own."""
        own = own_weights(member, context.regime.trend)
        names = context.weight_set.names
        places = [names.index(name) for name in own.names]
        normalised = _at(places, context.normalised)
        is_stricter = self.params.adaptive and not context.held
        return replace(
            context,
            score=weigh(normalised, own).value,
            weight_set=adapted(own, context.regime) if is_stricter else own,
            raw=_at(places, context.raw),
            normalised=normalised,
            raw_before=_at(places, context.raw_before),
            normalised_before=_at(places, context.normalised_before),
        )


def own_weights(member: RegisteredStrategy, regime: str) -> WeightSet:
    """Return the weights the member goes by in a regime."""
    sets = member.weight_sets()
    return sets.get(regime) or sets[""]


def union(members: Sequence[RegisteredStrategy]) -> tuple[str, ...]:
    """Return every indicator the members name, each once, in their order."""
    return tuple(dict.fromkeys(name for one in members for name in one.weight_sets()[""].names))


def spread_over(names: Sequence[str], weight_set: WeightSet) -> tuple[float, ...]:
    """Return the weights in the order of `names`, 0 for those the set does not name."""
    own = dict(zip(weight_set.names, weight_set.weights, strict=True))
    return tuple(own.get(name, 0.0) for name in names)


def _at(places: Sequence[int], values: Sequence[float | None]) -> tuple[float | None, ...]:
    return tuple(values[place] for place in places)


def _parameters(name: str, value: Any) -> Mapping[str, Any]:
    if isinstance(value, dict):
        return value
    raise BadBotParametersError(f"{name} has the parameters {value!r}, wanted: names with values")


def _weight(name: str, value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and 0.0 < value <= 1000.0:
        return float(value)
    raise BadBotParametersError(f"{name} has the weight {value!r}, allowed: above 0 to 1000")
