"""The panels of the data page; what they show does not depend on the account."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from tradingsite.dashboard import data_queries, strips

Filters = Mapping[str, str]
Context = dict[str, Any]

SERIES = ("instrument", "timeframe")


def coverage(_: Any, filters: Filters) -> Context:
    """Return the page of series, each with its strip of holes."""
    page = data_queries.series_page(filters)
    rows = [
        (row.coverage, strips.strip(row.coverage, row.holes), len(row.holes)) for row in page.rows
    ]
    return {
        "sums": data_queries.sums(),
        "page": page,
        "rows": rows,
        "query": query_without(filters, "page"),
        "is_filtered": any(filters.get(name) for name in SERIES),
    }


def gaps(_: Any, filters: Filters) -> Context:
    """Return the gaps asked for."""
    return _listed(data_queries.gap_rows(filters), filters, "gaps_before")


def findings(_: Any, filters: Filters) -> Context:
    """Return the findings asked for."""
    return _listed(data_queries.finding_rows(filters), filters, "findings_before")


def imports(_: Any, filters: Filters) -> Context:
    """Return the files that were read."""
    return _listed(data_queries.import_rows(filters), filters, "imports_before")


def providers(_: Any, __: Filters) -> Context:
    """Return the providers."""
    return {"rows": data_queries.provider_rows()}


def _listed(slice_: data_queries.Listed, filters: Filters, before: str) -> Context:
    return {
        "slice": slice_,
        "before": before,
        "query": query_without(filters, before),
        "state": filters.get("state", "open"),
        "is_filtered": any(filters.get(name) for name in SERIES),
    }


def query_without(filters: Filters, name: str) -> str:
    """Return the address' parameters without one of them."""
    kept = {key: value for key, value in filters.items() if key != name}
    return urlencode(sorted(kept.items()))
