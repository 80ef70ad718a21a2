"""Numbers and times read the same everywhere."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tradingsite.dashboard import formatting

NOON = datetime(2005, 6, 1, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("1234567.891"), "1,234,567.89"),
        (Decimal("-0.004"), "0.00"),
        (-1234.5, "−1,234.50"),
        (0, "0.00"),
        (None, "–"),
        (float("nan"), "–"),
    ],
)
def test_fixed_when_given_any_number_separates_and_uses_a_real_minus(value, text):
    assert formatting.fixed(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(1.5, "+1.50"), (-1.5, "−1.50"), (0, "0.00"), (0.001, "0.00"), (None, "–")]
)
def test_signed_when_rounded_to_zero_shows_no_sign(value, text):
    assert formatting.signed(value) == text


def test_percent_when_given_a_fraction_multiplies_by_a_hundred():
    assert formatting.percent(Decimal("0.1234")) == "12.34 %"
    assert formatting.signed_percent(-0.05, 1) == "−5.0 %"


@pytest.mark.parametrize(
    ("value", "text"),
    [("100.0000000000", "100"), ("0.2500000000", "0.25"), ("1200", "1,200"), ("-3.50", "−3.5")],
)
def test_quantity_when_zeros_trail_drops_them(value, text):
    assert formatting.quantity(Decimal(value)) == text


def test_price_when_tick_is_known_shows_its_places():
    assert formatting.price(12.3, Decimal("0.0001000000")) == "12.3000"
    assert formatting.price(12.3, Decimal(1)) == "12"
    assert formatting.price(12.3) == "12.30"


def test_brief_when_a_day_ended_shows_the_day_alone():
    assert formatting.brief(NOON.replace(hour=0, minute=0)) == "2005-06-01"
    assert formatting.brief(NOON) == "06-01 12:30"


def test_toned_when_value_falls_has_class_and_arrow():
    html = formatting.toned("−1.00", -1)
    assert 'class="down"' in html
    assert "▼" in html


def test_toned_when_text_has_markup_escapes_it():
    assert "<script>" not in formatting.toned("<script>", 1)


def test_measure_when_not_a_number_is_left_alone():
    assert [formatting.measure(value) for value in (True, "ridge", 7, 0.12345)] == [
        "True",
        "ridge",
        "7",
        "0.1234",
    ]


def test_measure_when_an_instant_is_readable():
    assert formatting.measure("2003-07-08T00:00:00+00:00") == "2003-07-08 00:00"
    assert formatting.measure("Tomorrow") == "Tomorrow"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("3559.0000000000", "3,559"),
        ("93460.92123024", "93,460.92"),
        ("0.065390788", "0.065391"),
        ("0.000000000", "0"),
        ("259200000 ms", "3 days"),
        ("active", "active"),
        ("> 0", "> 0"),
        ("NaN", "NaN"),
    ],
)
def test_plain_when_a_stored_number_is_readable(text, shown):
    assert formatting.plain(text) == shown


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [(0, "0 ms"), (1500, "1.5 s"), (60_000, "1 min"), (90_000, "1.5 min")],
)
def test_duration_when_long_uses_the_larger_unit(milliseconds, shown):
    assert formatting.duration(milliseconds) == shown
