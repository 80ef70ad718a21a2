"""The registry that finds every broker file of this folder."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import execution.brokers as folder
from domain.registry import Registry
from execution.brokers.base import Broker


@dataclass(frozen=True, slots=True)
class BrokerAccount:
    """What an adapter is told about the account it serves."""

    id: int
    name: str
    fee_e9: int
    slippage_e9: int
    timeframes: tuple[str, ...]


BROKERS: Registry[Callable[[BrokerAccount, Any], Broker]] = Registry("broker")


@cache
def load_brokers() -> Registry[Callable[[BrokerAccount, Any], Broker]]:
    """Return the registry after importing every broker file, once."""
    BROKERS.load(folder)
    return BROKERS
