"""Each rule holds entries back when it should; none ever holds an exit."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.bars import Timeframe
from domain.signals import Regime, WeightSet
from strategies.bots.base import BotContext, Intent, StrategyParams, adapted
from strategies.bots.registry import make_strategy
from strategies.confirmation import NO_ENTRIES, Recent, confirmed, longest_memory
from tests.strategies.bots import suite

WEIGHTS = WeightSet(("rsi", "macd", "rsi@1h", "macd@1h"), (3.0, 1.0, 2.0, -1.0), 300, -300)
BUY, EXIT = Intent(1, "in"), Intent(-1, "out", is_exit=True)
NEW_YORK = "America/New_York"


def at(text: str, zone: str = NEW_YORK) -> datetime:
    """Return an instant by the exchange's clock."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


MORNING = at("2024-03-05 11:00")


def context(
    closed_at: datetime = MORNING,
    normalised: tuple[float | None, ...] = (0.5, 0.5, 0.5, -0.5),
    *,
    position: int = 0,
    pending: bool = False,
    timeframe: Timeframe = Timeframe.M5,
    zone: str = NEW_YORK,
) -> BotContext:
    return BotContext(
        symbol="ACME", timeframe=timeframe, closed_at=closed_at, close=10.0, score=400,
        weight_set=WEIGHTS, raw=normalised, normalised=normalised, raw_before=normalised,
        normalised_before=normalised, position=Decimal(position), pending=pending, zone=zone,
    )  # fmt: skip


def held_back(seen: BotContext, recent: Recent = NO_ENTRIES, side: int = 1, **rules: object) -> str:
    """Return why an entry was held back, '' when it passed."""
    wish = Intent(side, "in")
    answer = confirmed(wish, seen, StrategyParams(**rules), recent)
    assert answer == wish or (answer.side == 0 and not answer.is_exit)
    return "" if answer == wish else answer.reason


def test_entry_when_no_rule_is_on_passes():
    recent = Recent((at("2024-03-05 10:55"),) * 50)
    assert held_back(context(normalised=(None, -1.0, None, None)), recent) == ""


@pytest.mark.parametrize(
    ("now", "why"),
    [
        ("2024-03-05 10:05", "cooling down until 2024-03-05 15:17Z"),
        ("2024-03-05 10:15", "cooling down until 2024-03-05 15:17Z"),
        ("2024-03-05 10:20", ""),
    ],
)
def test_cooldown_when_bars_have_not_passed_holds(now, why):
    recent = Recent((at("2024-03-04 09:35"), at("2024-03-05 10:00")))
    assert held_back(context(at(now)), recent, cooldown_bars=3) == why
    assert held_back(context(at(now)), NO_ENTRIES, cooldown_bars=3) == ""


@pytest.mark.parametrize(("day", "passes"), [("2024-03-12", False), ("2024-03-13", True)])
def test_cooldown_when_clocks_change_counts_whole_days(day, passes):
    # Monday's daily bar closed at 20:00 UTC, the Friday before at 21:00: an hour less than days.
    recent = Recent((at("2024-03-08 16:00"),))
    seen = context(at(f"{day} 16:00"), timeframe=Timeframe.D1)
    assert (held_back(seen, recent, cooldown_bars=4) == "") is passes


def test_cap_when_the_exchange_day_turns_counts_anew():
    # 23:00 in New York is the next day in UTC: the exchange's clock decides.
    recent = Recent((at("2024-03-05 09:35"), at("2024-03-05 23:00")))
    assert held_back(context(at("2024-03-05 23:30")), recent, most_per_day=3) == ""
    why = held_back(context(at("2024-03-05 23:30")), recent, most_per_day=2)
    assert why == "2 entries today already"
    assert held_back(context(at("2024-03-06 00:05")), recent, most_per_day=1) == ""


@pytest.mark.parametrize(
    ("normalised", "side", "pct", "why"),
    [
        ((0.5, 0.5, 0.5, -0.5), 1, 100.0, ""),
        ((0.5, -0.5, 0.5, -0.5), 1, 80.0, ""),
        ((0.5, -0.5, 0.5, -0.5), 1, 90.0, "only 86% of the weight agrees"),
        ((0.5, -0.5, 0.5, 0.5), 1, 80.0, "only 71% of the weight agrees"),
        ((0.5, 0.0, None, None), 1, 80.0, "only 75% of the weight agrees"),
        ((None, None, None, None), 1, 1.0, "only 0% of the weight agrees"),
        ((-0.5, -0.5, -0.5, 0.5), -1, 100.0, ""),
        ((0.5, 0.5, 0.5, -0.5), -1, 1.0, "only 0% of the weight agrees"),
    ],
)
def test_agreement_when_too_little_weight_points_its_way_holds(normalised, side, pct, why):
    assert held_back(context(normalised=normalised), side=side, agreeing_pct=pct) == why


@pytest.mark.parametrize(
    ("normalised", "side", "why"),
    [
        ((0.5, -0.5, 0.5, 0.5), 1, ""),
        ((0.1, -0.5, 0.5, 0.5), 1, "5m does not agree"),
        ((0.5, 0.5, 0.2, 0.5), 1, "1h does not agree"),
        ((0.5, 0.5, None, None), 1, "1h does not agree"),
        ((0.1, -0.4, -0.5, 0.5), 1, "1h, 5m does not agree"),
        ((-0.5, 0.5, -0.5, -0.5), -1, ""),
    ],
)
def test_timeframes_when_one_points_elsewhere_hold(normalised, side, why):
    assert held_back(context(normalised=normalised), side=side, agreeing_timeframes=True) == why


OUTSIDE = "outside the bot's hours"


@pytest.mark.parametrize(
    ("session", "now", "why"),
    [
        (("10:00", ""), "09:55", OUTSIDE),
        (("10:00", ""), "10:00", ""),
        (("", "15:00"), "14:55", ""),
        (("", "15:00"), "15:00", OUTSIDE),
        (("10:00", "15:00"), "09:00", OUTSIDE),
        (("22:00", "02:00"), "23:00", ""),
        (("22:00", "02:00"), "01:55", ""),
        (("22:00", "02:00"), "12:00", OUTSIDE),
    ],
)
@pytest.mark.parametrize("day", ["2024-01-09", "2024-07-09"])  # winter and summer time
def test_session_when_outside_its_hours_holds(day, session, now, why):
    seen = context(at(f"{day} {now}"))
    assert held_back(seen, session_from=session[0], session_to=session[1]) == why


OFF = StrategyParams(square_off="15:20")


@pytest.mark.parametrize(
    ("now", "position", "pending", "intent", "answer"),
    [
        ("15:15", 5, False, Intent(0, "kept"), Intent(0, "kept")),
        ("15:20", 5, False, Intent(0, "kept"), Intent(-1, "squared off for the day", is_exit=True)),
        ("15:25", -5, False, Intent(0, "kept"), Intent(1, "squared off for the day", is_exit=True)),
        ("15:20", 5, True, Intent(0, "an order is working"), Intent(0, "an order is working")),
        ("15:20", 0, False, BUY, Intent(0, "past the square-off")),
        ("15:20", 0, False, Intent(0, "calm"), Intent(0, "calm")),
        ("15:20", 5, False, EXIT, EXIT),
        ("00:05", 0, False, BUY, BUY),
    ],
)
def test_square_off_when_past_it_closes_and_enters_nothing(now, position, pending, intent, answer):
    seen = context(at(f"2024-03-05 {now}"), position=position, pending=pending)
    assert confirmed(intent, seen, OFF, NO_ENTRIES) == answer


def test_square_off_when_the_exchange_is_elsewhere_goes_by_its_clock():
    seen = context(datetime(2024, 3, 5, 9, 50, tzinfo=UTC), position=5, zone="Asia/Kolkata")
    assert confirmed(Intent(0, "kept"), seen, OFF, NO_ENTRIES).is_exit
    assert not confirmed(Intent(0, "kept"), replace(seen, zone="UTC"), OFF, NO_ENTRIES).is_exit


@pytest.mark.parametrize(
    ("regime", "thresholds"),
    [
        (Regime(), (300, -300)),
        (Regime("trending", "low"), (300, -300)),
        (Regime("trending", "high"), (375, -375)),
        (Regime("volatile", "high"), (450, -450)),
        (Regime("volatile", ""), (450, -450)),
    ],
)
def test_adapted_when_volatile_moves_thresholds_away_from_zero(regime, thresholds):
    weight_set = adapted(WEIGHTS, regime)
    assert (weight_set.buy_threshold, weight_set.sell_threshold) == thresholds


@given(
    low=st.integers(-(10**9), 10**9),
    high=st.integers(-(10**9), 10**9),
    trend=st.sampled_from(suite.REGIMES),
    volatility=st.sampled_from(("", "low", "high")),
)
def test_adapted_when_given_any_thresholds_gives_usable_ones(low, high, trend, volatility):
    if low == high:
        return
    low, high = sorted((low, high))
    given_set = replace(WEIGHTS, buy_threshold=high, sell_threshold=low)
    stricter = adapted(given_set, Regime(trend, volatility))
    if low < 0 < high:
        assert stricter.sell_threshold <= low < high <= stricter.buy_threshold
    else:
        assert stricter == given_set


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_rules_when_all_are_on_never_hold_an_exit(data: st.DataObject):
    params = StrategyParams(
        direction="both", cooldown_bars=10, most_per_day=1, agreeing_pct=100.0,
        agreeing_timeframes=True, adaptive=True, session_from="10:00", session_to="10:05",
        square_off=data.draw(st.sampled_from(("", "00:00", "15:20"))),
    )  # fmt: skip
    strategy = make_strategy("weighted_composite", {"direction": "both"})
    seen = data.draw(suite.contexts(strategy))
    recent = Recent((seen.closed_at - timedelta(minutes=1),))
    intent = strategy.decide(seen)
    answer = confirmed(intent, seen, params, recent)
    suite.check_intent(answer, seen, params)
    if intent.is_exit:
        assert answer == intent


@pytest.mark.parametrize(
    ("rules", "memory"),
    [
        ({}, None),
        ({"cooldown_bars": 3}, timedelta(days=2)),
        ({"most_per_day": 1}, timedelta(days=2)),
        ({"cooldown_bars": 1000}, timedelta(minutes=5002.5)),
    ],
)
def test_memory_when_rules_need_it_reaches_far_enough(rules, memory):
    assert longest_memory(StrategyParams(**rules), timedelta(minutes=5)) == memory
