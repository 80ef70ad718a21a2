"""The registry, sets in fixed order, and parameters refused at the door."""

import math
from dataclasses import dataclass

import pytest

from domain.errors import PlumblineError
from domain.registry import UnknownPluginError
from domain.signals import DEFAULT_WEIGHTS
from marketdata.indicators.bollinger import BollingerParams
from marketdata.indicators.ema_cross import EmaCrossParams
from marketdata.indicators.macd import MacdParams
from marketdata.indicators.registry import (
    DEFAULT_ORDER,
    BadIndicatorSetError,
    IndicatorParams,
    ParameterOutOfRangeError,
    indicator_set,
    load_indicators,
    ranged,
)
from marketdata.indicators.rsi import RsiParams, rsi


def test_registry_when_loaded_holds_every_file() -> None:
    assert set(DEFAULT_ORDER) <= set(load_indicators())
    for name, factory in load_indicators().items():
        assert factory().name == name


def test_default_weights_when_compared_with_the_default_set_have_its_order() -> None:
    assert DEFAULT_WEIGHTS.names == DEFAULT_ORDER


def test_indicator_set_when_names_are_given_keeps_their_order() -> None:
    chosen = indicator_set(("supertrend", "rsi"))
    assert [one.name for one in chosen] == ["supertrend", "rsi"]
    assert indicator_set(["supertrend", "rsi"]) is chosen


@pytest.mark.parametrize("names", [(), ("rsi", "rsi")])
def test_indicator_set_when_empty_or_doubled_is_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(BadIndicatorSetError):
        indicator_set(names)


def test_indicator_set_when_a_name_is_unknown_lists_the_known() -> None:
    with pytest.raises(UnknownPluginError, match=r"known: .*bollinger, .*ema_cross, .*rsi"):
        indicator_set(("rsi", "astrology"))


@pytest.mark.parametrize("period", [1, 0, -3, 201, math.nan])
def test_params_when_out_of_range_are_refused(period: float) -> None:
    with pytest.raises(ParameterOutOfRangeError, match="allowed: 2 to 200"):
        RsiParams(period)


def test_params_when_deviations_are_nan_are_refused() -> None:
    with pytest.raises(ParameterOutOfRangeError, match="deviations is nan"):
        BollingerParams(20, math.nan)


@pytest.mark.parametrize("params", [MacdParams, EmaCrossParams])
def test_params_when_fast_is_not_faster_are_refused(params: type) -> None:
    with pytest.raises(PlumblineError, match="fast must be below slow"):
        params(fast=30, slow=30)


def test_params_when_inherited_check_their_own_fields() -> None:
    @dataclass(frozen=True)
    class Params(IndicatorParams):
        speed: float = ranged(0.5, 0.1, 1.0)

    assert Params().speed == 0.5
    with pytest.raises(ParameterOutOfRangeError, match=r"speed is 2.0, allowed: 0.1 to 1.0"):
        Params(2.0)


def test_indicator_when_period_changes_declares_its_own_warm_up() -> None:
    short = rsi(RsiParams(5))
    assert (short.first_value, short.warmup) == (5, 325)
