"""The door every bot passes: whatever could keep it from deciding is refused here, in one line."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from domain.bars import Timeframe
from domain.errors import PLUGIN_FAULTS, PlumblineError
from marketdata.indicators.registry import parse_spec
from marketdata.models import Account, Instrument, Stream
from mlweights.scoring import refuse_unusable
from strategies.bots.base import BadBotParametersError
from strategies.bots.registry import RegisteredStrategy, load_strategies, make_strategy
from strategies.queries import weights_read
from strategies.services.fix_own_weights import fix_own_weights

NAME = re.compile(r"[A-Za-z0-9_-]{1,60}")
MOST_CAPITAL = Decimal(10) ** 15
SMALLEST_CAPITAL = Decimal("1e-8")
PLAIN_KINDS = (bool, int, float, str)


class BadBotError(PlumblineError):
    """A bot cannot be made of these terms."""

    code = "bad_bot"


@dataclass(frozen=True, slots=True)
class BotTerms:
    """What a bot does and with what; `capital` None sizes by all equity of the account."""

    timeframe: str
    instruments: Sequence[Instrument]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    capital: Decimal | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the terms as the audit chain keeps them."""
        return {
            "timeframe": self.timeframe,
            "instruments": sorted(str(one) for one in self.instruments),
            "parameters": dict(self.parameters),
            "capital": None if self.capital is None else f"{self.capital.normalize():f}",
        }


def as_read(strategy: str, terms: BotTerms) -> BotTerms:
    """Return the terms with each parameter that is given as the strategy reads it: '14' is 14."""
    if not isinstance(terms.parameters, Mapping):
        raise BadBotParametersError('parameters are names and values: {"size_pct": 5}')
    given = dict(terms.parameters)
    read = vars(load_strategies().get(strategy).Params.parse(given))
    # Members are kept as written: the audit chain and the row hold JSON.
    plain = {name: read[name] for name in given if isinstance(read[name], PLAIN_KINDS)}
    return replace(terms, parameters=given | plain)


def check_name(name: str) -> None:
    """Refuse what cannot stand in an address."""
    if not NAME.fullmatch(name):
        raise BadBotError(f"'{name}' is no name: letters, digits, - and _, at most 60 of them")


def check_terms(*, account: Account, strategy: str, terms: BotTerms) -> RegisteredStrategy:
    """Return the strategy made of the terms; refuse what it could not decide with.

    The rows of its own weights are written, so it belongs into the caller's transaction.
    """
    made = _made(strategy, terms.parameters)
    timeframe = Timeframe.parse(terms.timeframe)
    _check_stream(account.stream, timeframe, terms.instruments)
    _check_capital(terms.capital)
    fix_own_weights(name=strategy, strategy=made)
    read = weights_read(
        strategy=made,
        instrument_ids=[one.pk for one in terms.instruments],
        timeframe=timeframe.value,
        as_of=account.stream.sealed_to,
    )
    names = {name for sets in read.values() for one in sets.values() for name in one.names}
    for name in sorted(names):
        longer = parse_spec(name).timeframe
        if longer is not None and longer.value not in account.stream.timeframes:
            raise BadBotError(_not_delivered(account.stream, longer.value, f"'{name}' needs it"))
    return made


def _made(name: str, parameters: Mapping[str, Any]) -> RegisteredStrategy:
    """Return the strategy, its own weights usable; a fault of its code is a refusal."""
    try:
        made = make_strategy(name, dict(parameters))
        for weights in made.weight_sets().values():
            refuse_unusable(weights)
    except PlumblineError:  # says it in its own words
        raise
    except PLUGIN_FAULTS as fault:
        what = " ".join(f"{type(fault).__name__}: {fault}".split())
        raise BadBotParametersError(
            f"strategy '{name}' fails before its first bar: {what}; mend its code"
        ) from fault
    return made


def _check_stream(stream: Stream, timeframe: Timeframe, instruments: Sequence[Instrument]) -> None:
    if timeframe.value not in stream.timeframes:
        raise BadBotError(_not_delivered(stream, timeframe.value, "choose one of those"))
    if not instruments:
        raise BadBotError("a bot needs an instrument to trade; name one or more")
    if len({one.pk for one in instruments}) != len(instruments):
        raise BadBotError("an instrument is named twice; name each once")
    delivered = set(stream.instruments.values_list("pk", flat=True))
    foreign = sorted(str(one) for one in instruments if one.pk not in delivered)
    if foreign:
        raise BadBotError(
            f"stream '{stream}' does not deliver {', '.join(foreign)}; add it there first"
        )


def _not_delivered(stream: Stream, timeframe: str, hint: str) -> str:
    offered = ", ".join(stream.timeframes)
    return f"stream '{stream}' delivers {offered}, not {timeframe}: {hint}"


def _check_capital(capital: Decimal | None) -> None:
    if capital is None:
        return
    if not capital.is_finite() or not SMALLEST_CAPITAL <= capital < MOST_CAPITAL:
        raise BadBotError(f"capital is {capital}, allowed: above 0, below 1e15, or none")
    if capital != capital.quantize(SMALLEST_CAPITAL):
        raise BadBotError(f"capital is {capital}: at most 8 digits after the point")
