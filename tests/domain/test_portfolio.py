"""Equity, drawdown, exposure."""

from decimal import Decimal

from domain.portfolio import MarkedPosition, PortfolioSnapshot, fall


def held(instrument: int, bot: str, quantity: int, price: str) -> MarkedPosition:
    return MarkedPosition(instrument, bot, Decimal(quantity), Decimal(price), Decimal(1))


def test_snapshot_when_long_and_short_adds_signed_worth_and_absolute_exposure():
    snapshot = PortfolioSnapshot(
        cash=Decimal(1000),
        positions=(held(1, "a", 10, "5"), held(1, "b", -4, "5"), held(2, "a", -2, "100")),
        peak_equity=Decimal(1100),
        day_start_equity=Decimal(820),
    )
    assert snapshot.equity == 1000 + 50 - 20 - 200
    assert snapshot.exposures() == {1: Decimal(70), 2: Decimal(200)}
    assert snapshot.drawdown == Decimal(270) / Decimal(1100)
    assert snapshot.day_loss == 0


def test_fall_when_nothing_was_there_or_nothing_was_lost_is_zero():
    assert fall(Decimal(0), Decimal(-5)) == 0
    assert fall(Decimal(10), Decimal(12)) == 0
    assert fall(Decimal(10), Decimal(5)) == Decimal("0.5")
