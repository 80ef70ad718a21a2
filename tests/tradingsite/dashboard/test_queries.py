"""Pages know nothing later than the desk does, and ask a fixed number of questions."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from execution.models import EquityPoint, Fill
from marketdata.models import Bar, Split, Stream
from mlweights.models import WeightVersion
from strategies.models import Signal
from tests.tradingsite.desk_rows import DAY, T
from tradingsite.dashboard import queries

pytestmark = pytest.mark.django_db


def loaded() -> queries.Desk:
    found = queries.load_desk()
    assert found is not None
    return found


def set_now(instant: datetime) -> queries.Desk:
    Stream.objects.update(sealed_to=instant)
    return loaded()


def add_equity(desk, at: datetime, equity: int) -> None:
    EquityPoint.objects.create(
        account=desk.account,
        closed_at=at,
        cash=Decimal(equity),
        positions_value=Decimal(0),
        equity=Decimal(equity),
    )


def test_load_desk_when_no_account_is_none():
    assert queries.load_desk() is None


def test_load_desk_when_name_is_unknown_is_the_first(desk):
    assert queries.load_desk("nobody").account == desk.account


def test_lists_when_the_desk_is_earlier_show_nothing_later(desk):
    before = set_now(T - 10 * DAY)
    assert queries.totals(before) is None
    assert queries.equity_curve(before) == []
    assert queries.signal_rows(before).rows == ()
    assert queries.order_rows(before).rows == ()
    assert queries.fill_rows(before) == []
    assert queries.hold_rows(before) == []
    assert [row.last for row in queries.market(before)] == [None] * len(queries.market(before))


def test_lists_when_the_desk_is_there_show_the_rows(desk):
    now = set_now(T + 10 * DAY)
    assert [row.signal.pk for row in queries.signal_rows(now).rows] == [desk.signal.pk]
    assert [row.order_id for row in queries.signal_rows(now).rows] == [desk.order.pk]
    assert [order.pk for order in queries.order_rows(now).rows] == [desk.order.pk]
    assert len(queries.fill_rows(now)) == Fill.objects.count()


def test_market_when_bars_lie_ahead_shows_the_last_closed(sample_desk):
    sample_desk(start=datetime(2004, 3, 1, tzinfo=UTC), symbols=("IBM",))
    (row,) = queries.market(loaded())
    stored = Bar.objects.filter(instrument=row.instrument, closed_at__lte="2004-03-01T00:00Z")
    assert row.closed_at == stored.latest("closed_at").closed_at
    assert row.last == stored.latest("closed_at").close
    assert len(row.closes) == queries.SPARK_BARS


def test_market_when_a_split_lies_between_has_no_cliff(sample_desk):
    sample_desk(start=datetime(2005, 3, 15, tzinfo=UTC), symbols=("AAPL",))
    assert Split.objects.filter(effective_at__range=("2005-02-01T00:00Z", "2005-03-15T00:00Z"))
    (row,) = queries.market(loaded())
    moves = [new / old for old, new in zip(row.closes, row.closes[1:], strict=False)]
    assert 0.8 < min(moves) < max(moves) < 1.25


def test_totals_when_two_days_are_marked_counts_today_from_the_day_before(desk):
    add_equity(desk, T + 20 * DAY, 1_000_000)
    add_equity(desk, T + 21 * DAY, 990_000)
    now = set_now(T + 21 * DAY)
    found = queries.totals(now)
    assert found.equity == 990_000
    assert found.today == -10_000
    assert found.day_loss == Decimal("0.01")
    assert {limit.name for limit in queries.limits(now)} == {
        "Drawdown",
        "Day loss",
        "Largest position",
    }


def test_equity_curve_when_points_are_many_keeps_ends_and_deepest_fall(desk):
    begin = T + 100 * DAY
    equities = [1_000_000 + index for index in range(1000)]
    equities[500] = 700_000
    for index, equity in enumerate(equities):
        add_equity(desk, begin + index * timedelta(hours=1), equity)
    drawn = queries.equity_curve(set_now(begin + 50 * DAY))
    assert len(drawn) <= queries.CURVE_POINTS
    assert drawn[-1].equity == equities[-1]
    assert max(point.drawdown for point in drawn) == pytest.approx(1 - 700_000 / 1_000_499)


def test_signal_rows_when_paged_neither_repeats_nor_skips(desk):
    for number in range(7):
        Signal.objects.create(
            key=f"more:{number}",
            account=desk.account,
            instrument=desk.instrument,
            timeframe="1d",
            closed_at=T,
            source="person",
            side=1,
            reason="test",
        )
    now = set_now(T + 10 * DAY)
    seen, before = [], ""
    while True:
        part = queries.signal_rows(now, {"before": before}, limit=3)
        seen += [row.signal.pk for row in part.rows]
        if part.older is None:
            break
        before = str(part.older)
    assert seen == sorted(Signal.objects.values_list("pk", flat=True), reverse=True)


@pytest.mark.parametrize("before", ["x", "-1", "9" * 40, "1; drop", "٣"])
def test_order_rows_when_the_page_is_nonsense_show_the_first(desk, before):
    now = set_now(T + 10 * DAY)
    assert len(queries.order_rows(now, {"before": before}).rows) == 1


def test_order_rows_when_a_filter_matches_nothing_is_empty(desk):
    now = set_now(T + 10 * DAY)
    assert queries.order_rows(now, {"state": "nonsense"}).rows == ()


def test_weight_groups_when_a_version_is_dated_ahead_does_not_decide_yet(desk):
    ahead = WeightVersion.objects.create(
        label="ahead",
        instrument=desk.instrument,
        timeframe="1d",
        weights=[["rsi", 1.0]],
        buy_threshold=1,
        sell_threshold=-1,
        optimizer="ridge",
        parent=desk.version,
        valid_from=T + 50 * DAY,
    )
    groups, _ = queries.weight_groups(set_now(T + 10 * DAY), {})
    rows = {row.version.label: row for group in groups for row in group.rows}
    assert rows[ahead.label].is_deciding is False
    assert rows[desk.version.label].is_deciding is True
    (line,) = rows[ahead.label].lines
    assert line.change == pytest.approx(1.0 - dict(desk.version.weights)["rsi"])


def test_desk_version_when_anything_moves_changes(desk):
    first = queries.desk_version(loaded())
    assert queries.desk_version(loaded()) == first
    assert queries.desk_version(set_now(T + 30 * DAY)) != first


def test_queries_when_rows_grow_stay_as_many(desk):
    now = set_now(T + 10 * DAY)

    def count() -> int:
        with CaptureQueriesContext(connection) as seen:
            queries.signal_rows(now, limit=50)
        return len(seen)

    few = count()
    for number in range(9):
        Signal.objects.create(
            key=f"grow:{number}",
            account=desk.account,
            bot=desk.bot,
            instrument=desk.instrument,
            timeframe="1d",
            closed_at=T,
            source="bot",
            side=-1,
            reason="test",
        )
    assert count() == few
