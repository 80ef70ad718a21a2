"""The paper venue's journal in PostgreSQL, on a connection of its own that commits at once."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connections

from domain.bars import Bar
from domain.instruments import InstrumentTerms
from domain.orders import Execution, OrderRequest
from execution.brokers.paper import NewExecution
from marketdata.queries import first_opens, instrument_terms
from marketdata.services.insert_rows import insert_rows

VENUE = "venue"  # the database alias: same database, own autocommit connection


class DatabaseJournal:
    """One account's part of the journal."""

    def __init__(self, account_id: int, timeframes: Sequence[str]) -> None:
        self._account_id = account_id
        self._timeframes = timeframes

    def accept(self, orders: Sequence[OrderRequest]) -> None:
        """Keep the orders; one already kept stays as it is."""
        insert_rows(
            table="execution_paperorder",
            columns=(
                ("account_id", "bigint"),
                ("client_order_id", "text"),
                ("instrument_id", "bigint"),
                ("side", "smallint"),
                ("quantity", "numeric"),
                ("decided_at", "timestamptz"),
                ("state", "text"),
            ),
            rows=[
                (
                    self._account_id,
                    one.client_order_id,
                    one.instrument_id,
                    one.side,
                    one.quantity,
                    one.decided_at,
                    "open",
                )
                for one in orders
            ],
            on_conflict="DO NOTHING",
            using=VENUE,
        )

    def states(self, client_order_ids: Sequence[str]) -> Mapping[str, str]:
        """Return the state of each order that is known."""
        return dict(
            self._rows(
                "SELECT client_order_id, state FROM execution_paperorder"
                " WHERE account_id = %s AND client_order_id = ANY(%s)",
                list(client_order_ids),
            )
        )

    def cancel(self, client_order_ids: Sequence[str]) -> None:
        """Mark the open ones canceled."""
        with connections[VENUE].cursor() as cursor:
            cursor.execute(
                "UPDATE execution_paperorder SET state = 'canceled'"
                " WHERE account_id = %s AND client_order_id = ANY(%s) AND state = 'open'",
                (self._account_id, list(client_order_ids)),
            )

    def open_orders(self) -> list[OrderRequest]:
        """Return the open orders, oldest decision first."""
        rows = self._rows(
            "SELECT client_order_id, instrument_id, side, quantity, decided_at, false"
            " FROM execution_paperorder WHERE account_id = %s AND state = 'open'"
            " ORDER BY decided_at, client_order_id"
        )
        return [OrderRequest(*row) for row in rows]

    def execute(self, matches: Sequence[NewExecution]) -> None:
        """Keep the matches and close their orders, at most once each.

        One statement: the cursor is counted where the rows are made, under a lock on the
        account's open orders, so the order of cursors is the order of commits.
        """
        with connections[VENUE].cursor() as cursor:
            cursor.execute(
                "WITH taken AS ("
                "  UPDATE execution_paperorder o SET state = 'filled' WHERE o.id IN ("
                "    SELECT id FROM execution_paperorder WHERE account_id = %(account)s"
                "    AND client_order_id = ANY(%(orders)s) AND state = 'open'"
                "    ORDER BY id FOR UPDATE)"
                "  RETURNING o.client_order_id, o.quantity),"
                " given AS (SELECT * FROM unnest(%(orders)s::text[], %(ids)s::text[],"
                "  %(prices)s::numeric[], %(fees)s::numeric[], %(opened)s::timestamptz[],"
                "  %(closed)s::timestamptz[]) AS g(client_order_id, execution_id, price, fee,"
                "  executed_at, closed_at))"
                " INSERT INTO execution_paperexecution (account_id, cursor, execution_id,"
                "  client_order_id, quantity, price, fee, executed_at, closed_at)"
                " SELECT %(account)s, (SELECT coalesce(max(cursor), 0)"
                "   FROM execution_paperexecution WHERE account_id = %(account)s)"
                "  + row_number() OVER (ORDER BY g.executed_at, g.client_order_id),"
                "  g.execution_id, g.client_order_id, t.quantity, g.price, g.fee,"
                "  g.executed_at, g.closed_at"
                " FROM given g JOIN taken t USING (client_order_id)",
                {
                    "account": self._account_id,
                    "orders": [one.order.client_order_id for one in matches],
                    "ids": [one.execution_id for one in matches],
                    "prices": [Decimal(one.price) for one in matches],
                    "fees": [Decimal(one.fee) for one in matches],
                    "opened": [one.executed_at for one in matches],
                    "closed": [one.closed_at for one in matches],
                },
            )

    def executions(self, *, cursor: int, through: datetime) -> list[Execution]:
        """Return the kept executions after `cursor` known at `through`, in cursor order."""
        rows = self._rows(
            "SELECT cursor, execution_id, client_order_id, quantity, price, fee, executed_at"
            " FROM execution_paperexecution WHERE account_id = %s AND cursor > %s"
            " AND closed_at <= %s ORDER BY cursor",
            cursor,
            through,
        )
        return [Execution(*row) for row in rows]

    def first_opens(self, wanted: Mapping[int, datetime], through: datetime) -> Mapping[int, Bar]:
        """Return each instrument's first bar opened at or after its instant, closed by then."""
        return first_opens(wanted=wanted, timeframes=self._timeframes, through=through)

    def terms(self, instrument_ids: Sequence[int]) -> Mapping[int, InstrumentTerms]:
        """Return the instruments' grids."""
        return instrument_terms(sorted(set(instrument_ids)))

    def _rows(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with connections[VENUE].cursor() as cursor:
            cursor.execute(statement, (self._account_id, *parameters))
            return cursor.fetchall()
