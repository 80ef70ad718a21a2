"""The panels pages are made of: each has a query, a template and the topics that refresh it."""

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from domain.money import ZERO
from domain.orders import STATES
from tradingsite.dashboard import bot_queries, charts, data_panels, queries
from tradingsite.dashboard.data_panels import SERIES
from tradingsite.dashboard.data_queries import data_version
from tradingsite.dashboard.queries import Desk
from tradingsite.models import Alert
from tradingsite.monitoring.health import check_health

Filters = Mapping[str, str]
Context = dict[str, Any]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Panel:
    """One refreshable piece of a page."""

    name: str
    title: str
    build: Callable[[Desk, Filters], Context]
    topics: tuple[str, ...]
    # Which parameters of the address it listens to; everything else is ignored.
    filters: tuple[str, ...] = ()
    # Shows wall-clock facts that no version covers.
    is_volatile: bool = False
    # What tells that it moved, where that is not the desk.
    version: Callable[[], str] | None = None

    @property
    def template(self) -> str:
        """Return the path of its template."""
        return f"panels/{self.name}.html"

    def chosen(self, given: Filters) -> dict[str, str]:
        """Return the parameters it understands, empty ones left out."""
        return {name: given[name][:60] for name in self.filters if given.get(name)}


@dataclass
class BuiltPanel:
    """A panel with what its template needs; built when first printed, never twice."""

    panel: Panel
    desk: Desk
    given: Filters
    version: str
    key: str

    @cached_property
    def data(self) -> Context | None:
        """Return the template's values, None when they could not be read."""
        try:
            return self.panel.build(self.desk, self.panel.chosen(self.given))
        except Exception:
            # One broken panel must not take the page, and the kill switch, with it.
            log.exception("panel %s failed", self.panel.name)
            return None

    @property
    def src(self) -> str:
        """Return the address of this panel with its filters."""
        query = self.panel.chosen(self.given) | {"account": self.desk.account.name}
        address = reverse("panel", args=(self.panel.name,))
        return f"{address}?{urlencode(sorted(query.items()))}"

    @property
    def etag(self) -> str:
        """Return what a browser sends back to hear that nothing changed; "" when volatile."""
        if self.panel.is_volatile:
            return ""
        moved = self.panel.version() if self.panel.version else ""
        text = f"{self.src}|{moved or self.version}|{self.key}"
        return '"' + hashlib.sha256(text.encode()).hexdigest()[:20] + '"'


def built(desk: Desk, names: Sequence[str], given: Filters, key: str) -> dict[str, BuiltPanel]:
    """Return the panels by name, with dashes made template-friendly."""
    version = queries.desk_version(desk)
    return {
        name.replace("-", "_"): BuiltPanel(PANELS[name], desk, given, version, key)
        for name in names
    }


def _clock(desk: Desk, _: Filters) -> Context:
    return {"clock": queries.clock(desk)}


def _frame(_: Desk, __: Filters) -> Context:
    return {}  # the desk itself says whether it is halted


def _totals(desk: Desk, _: Filters) -> Context:
    return {"totals": desk.totals}


def _equity(desk: Desk, filters: Filters) -> Context:
    span = filters.get("range", "all")
    points = queries.equity_curve(desk, span)
    return {
        "curve": charts.curve(points, desk.account.currency),
        "ranges": tuple(queries.RANGES),
        "range": span if span in queries.RANGES else "all",
    }


def _limits(desk: Desk, _: Filters) -> Context:
    return {"limits": queries.limits(desk)}


def _market(desk: Desk, _: Filters) -> Context:
    return {"rows": queries.market(desk)}


def _positions(desk: Desk, _: Filters) -> Context:
    return {"rows": desk.held}


def _position_list(desk: Desk, _: Filters) -> Context:
    rows = queries.positions(desk, only_open=False)
    held = [row for row in rows if row.position.quantity]
    return {
        "held": held,
        "closed": [row for row in rows if not row.position.quantity],
        "value": sum((row.value for row in held), ZERO),
        "open_profit": sum((row.open_profit or ZERO for row in held), ZERO),
        "realised": sum((row.position.realised for row in rows), ZERO),
        "fees": sum((row.position.fees for row in rows), ZERO),
    }


def _signals(desk: Desk, _: Filters) -> Context:
    return {"rows": queries.signal_rows(desk).rows}


def _signal_list(desk: Desk, filters: Filters) -> Context:
    if filters.get("show") == "holds":
        return {"holds": queries.hold_rows(desk), "show": "holds"}
    return {
        "slice": queries.signal_rows(desk, filters, limit=queries.PAGE_ROWS),
        "show": "signals",
        "query": _query_without_before(filters),
    }


def _orders(desk: Desk, _: Filters) -> Context:
    return {"rows": queries.order_rows(desk).rows}


def _order_list(desk: Desk, filters: Filters) -> Context:
    return {
        "slice": queries.order_rows(desk, filters, limit=queries.PAGE_ROWS),
        "query": _query_without_before(filters),
        "is_filtered": bool(filters),
    }


def _fills(desk: Desk, _: Filters) -> Context:
    return {"rows": queries.fill_rows(desk)}


def _bots(desk: Desk, _: Filters) -> Context:
    return {"rows": queries.bot_rows(desk)}


def _bot_list(desk: Desk, _: Filters) -> Context:
    return {"rows": bot_queries.bot_rows(desk)}


def _bot_correlation(desk: Desk, _: Filters) -> Context:
    found = bot_queries.correlation_of(desk.account.name)
    return {"found": found, "matrix": bot_queries.matrix(found)}


def _bot_facts(desk: Desk, filters: Filters) -> Context:
    return {"detail": bot_queries.bot_detail(desk, filters.get("bot", ""))}


def _bot_proofs(_: Desk, filters: Filters) -> Context:
    return {"rows": bot_queries.proofs_of(filters.get("bot", ""))}


def _bot_signals(desk: Desk, filters: Filters) -> Context:
    name = filters.get("bot", "")
    return {
        "rows": bot_queries.last_signals(desk, name),
        "holds": bot_queries.last_holds(desk, name),
        "bot": name,
    }


def _bot_positions(desk: Desk, filters: Filters) -> Context:
    rows = bot_queries.positions_of(desk, filters.get("bot", ""))
    return {
        "held": [row for row in rows if row.position.quantity],
        "closed": [row for row in rows if not row.position.quantity],
    }


def _alerts(_: Desk, __: Filters) -> Context:
    return {"rows": Alert.objects.filter(cleared_at=None)[:20]}


def _health(_: Desk, __: Filters) -> Context:
    return {"health": check_health()}


def _weight_list(desk: Desk, filters: Filters) -> Context:
    groups, older = queries.weight_groups(desk, filters)
    return {"groups": groups, "older": older, "query": _query_without_before(filters)}


def _query_without_before(filters: Filters) -> str:
    kept = {name: value for name, value in filters.items() if name != "before"}
    return urlencode(sorted(kept.items()))


PANELS = {
    panel.name: panel
    for panel in (
        Panel("clock", "Desk time", _clock, ("desk", "bars"), is_volatile=True),
        Panel("kill", "Kill switch", _frame, ("desk", "alerts")),
        Panel("halt", "Halt", _frame, ("desk", "alerts")),
        Panel("totals", "Account", _totals, ("desk",)),
        Panel("equity", "Equity", _equity, ("desk",), ("range",)),
        Panel("limits", "Limits", _limits, ("desk",)),
        Panel("market", "Market", _market, ("bars", "desk")),
        Panel("positions", "Open positions", _positions, ("desk", "positions")),
        Panel("signals", "Signals", _signals, ("desk", "signals")),
        Panel("orders", "Orders", _orders, ("desk", "orders")),
        Panel("fills", "Fills", _fills, ("desk", "fills")),
        Panel("bots", "Bots", _bots, ("bots",)),
        Panel("alerts", "Alerts", _alerts, ("desk", "alerts")),
        Panel("health", "Health", _health, ("alerts",), is_volatile=True),
        Panel("position-list", "Positions", _position_list, ("desk", "positions")),
        Panel(
            "order-list",
            "Orders",
            _order_list,
            ("desk", "orders"),
            ("state", "instrument", "bot", "before"),
        ),
        Panel(
            "signal-list",
            "Signals",
            _signal_list,
            ("desk", "signals"),
            ("show", "side", "instrument", "bot", "before"),
        ),
        Panel("bot-list", "Bots", _bot_list, ("bots", "desk")),
        Panel("bot-correlation", "Correlation", _bot_correlation, ("fills", "bots")),
        Panel("bot-facts", "Bot", _bot_facts, ("bots", "desk"), ("bot",)),
        Panel("bot-proofs", "Proofs", _bot_proofs, ("bots",), ("bot",)),
        Panel("bot-signals", "Signals", _bot_signals, ("desk", "signals"), ("bot",)),
        Panel("bot-positions", "Positions", _bot_positions, ("desk", "positions"), ("bot",)),
        Panel("weight-list", "Weights", _weight_list, ("weights",), ("instrument", "before")),
        *(
            Panel(name, title, build, ("alerts",), filters, version=data_version)
            for name, title, build, filters in (
                ("coverage", "Coverage", data_panels.coverage, (*SERIES, "page")),
                ("gaps", "Gaps", data_panels.gaps, (*SERIES, "state", "gaps_before")),
                (
                    "findings",
                    "Odd bars",
                    data_panels.findings,
                    (*SERIES, "state", "findings_before"),
                ),
                ("imports", "Imports", data_panels.imports, (*SERIES, "imports_before")),
            )
        ),
        Panel("providers", "Providers", data_panels.providers, ("alerts",), is_volatile=True),
    )
}

EVERYWHERE = ("clock", "kill", "halt")
DESK = (
    *("totals", "equity", "market", "positions", "limits", "bots", "alerts", "health"),
    *("signals", "orders", "fills"),
)
BOTS = ("bot-list", "bot-correlation")
BOT = ("bot-facts", "bot-positions", "bot-signals", "bot-proofs")
DATA = ("coverage", "gaps", "findings", "imports", "providers")
ORDER_STATES = STATES
