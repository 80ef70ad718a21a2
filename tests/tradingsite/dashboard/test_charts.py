"""Charts are text: they hold the numbers, no style and no script."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from xml.etree import ElementTree

import pytest

from tradingsite.dashboard import charts
from tradingsite.dashboard.charts import CurvePoint

BEGIN = datetime(2005, 1, 3, tzinfo=UTC)


def points(*equities: int) -> list[CurvePoint]:
    return [
        CurvePoint(BEGIN + timedelta(days=index), Decimal(equity), 0.01 * index)
        for index, equity in enumerate(equities)
    ]


def test_curve_when_one_point_is_none():
    assert charts.curve(points(100), "USD") is None


def test_curve_when_drawn_keeps_to_its_box_and_names_its_ends():
    curve = charts.curve(points(100, 130, 90), "USD")
    assert curve is not None
    path = ElementTree.fromstring(curve.equity).find(".//*[@class='line']").get("d")
    pairs = [tuple(map(float, pair.split())) for pair in path.removeprefix("M").split("L")]
    assert [x for x, _ in pairs] == [0, charts.WIDTH / 2, charts.WIDTH]
    assert all(0 <= y <= charts.HEIGHT for _, y in pairs)
    assert pairs[1][1] < pairs[0][1] < pairs[2][1]
    assert curve.summary == (
        "Equity from 100.00 USD on 2005-01-03 to 90.00 USD on 2005-01-05; deepest drawdown 2.00 %."
    )


def test_curve_when_equity_never_moves_is_still_drawn():
    assert charts.curve(points(100, 100), "USD") is not None


@pytest.mark.parametrize("drawn", ["equity", "drawdown"])
def test_curve_when_printed_carries_no_style_and_no_script(drawn):
    svg = getattr(charts.curve(points(100, 130, 90), "USD"), drawn)
    assert "style=" not in svg
    assert "<script" not in svg


@pytest.mark.parametrize(
    ("low", "high"), [(0.0, 1.0), (999_000.0, 1_001_000.0), (5.0, 5.0), (0.0, 0.0), (-3.0, 7.5)]
)
def test_nice_range_when_any_bounds_holds_them_on_whole_steps(low, high):
    bottom, top, step = charts.nice_range(low, high, 5)
    assert bottom <= low <= high <= top
    assert (top - bottom) / step == pytest.approx(round((top - bottom) / step))


@pytest.mark.parametrize(
    ("value", "step", "text"),
    [
        (1_200_000, 200_000, "1.2M"),
        (1_000_000, 200_000, "1.0M"),
        (1_005_000, 5_000, "1,005k"),
        (12.5, 0.5, "12.5"),
    ],
)
def test_axis_number_when_step_is_known_keeps_its_places(value, step, text):
    assert charts.axis_number(value, step) == text


def test_sparkline_when_values_fall_says_so():
    assert 'class="spark down"' in charts.sparkline([3.0, 2.0, 1.0])
    assert charts.sparkline([1.0]) == ""
    assert charts.sparkline(None) == ""


@pytest.mark.parametrize(
    ("share", "level"), [(0, "calm"), (0.69, "calm"), (0.7, "warn"), (1, "full"), (7, "full")]
)
def test_share_bar_when_a_limit_fills_changes_its_class(share, level):
    bar = ElementTree.fromstring(charts.share_bar(share))
    assert bar.get("class") == f"share {level}"
    assert float(bar[1].get("width")) == pytest.approx(100 * min(share, 1))


def test_diverging_bar_when_negative_grows_to_the_left_of_zero():
    bar = ElementTree.fromstring(charts.diverging_bar(Decimal("-0.5"), marks=(-0.4, 0.4)))
    value = bar.find("*[@class='value']")
    assert (value.get("x"), value.get("width")) == ("25.0", "25.0")
    assert [mark.get("x1") for mark in bar.findall("*[@class='mark']")] == ["30.0", "70.0"]


def test_diverging_bar_when_nothing_is_known_is_empty():
    value = ElementTree.fromstring(charts.diverging_bar(None)).find("*[@class='value']")
    assert value.get("width") == "0.0"
