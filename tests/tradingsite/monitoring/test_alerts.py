"""Alerts: one row from raised to cleared."""

from tradingsite.models import Alert
from tradingsite.monitoring.alerts import clear_alert, raise_alert


def test_alert_when_raised_twice_is_one_row(db: None) -> None:
    said = [raise_alert(kind="feed", object="demo", message=str(n)) for n in range(2)]
    assert said == [True, False]
    assert Alert.objects.get().message == "0"


def test_alert_when_cleared_twice_is_cleared_once_and_may_come_back(db: None) -> None:
    raise_alert(kind="feed", object="demo", message="x")
    assert [clear_alert(kind="feed", object="demo") for _ in range(2)] == [True, False]
    assert raise_alert(kind="feed", object="demo", message="again")
    assert Alert.objects.filter(cleared_at=None).count() == 1
    assert Alert.objects.count() == 2


def test_alert_when_texts_are_long_is_cut(db: None) -> None:
    raise_alert(kind="k" * 99, object="o" * 99, message="m" * 999)
    assert clear_alert(kind="k" * 99, object="o" * 99)
