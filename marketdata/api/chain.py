"""An option chain at an instant: every contract of an expiry as it was last seen by then.

An expiry is named by the UTC date of its last instant: an end of day is stored as 00:00Z of the
next, and no exchange's session closes later than that.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar

from django.db import connection
from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response

from marketdata.api.downloads import Downloads, Table, download
from marketdata.api.history import FORMATS, Instant, values_of
from marketdata.models import Instrument, OptionQuote
from marketdata.queries import find_instruments

SEEN = (
    *("observed_at", "bid", "bid_size", "ask", "ask_size", "last", "volume"),
    *("open_interest", "open_interest_change", "implied_volatility"),
)
INSTANT = timedelta(microseconds=1)
HEADINGS = ("instrument", "strike", "right", *SEEN)
CHAIN = """
SELECT i.venue || ':' || i.symbol, i.strike::float8, i.right, q.observed_at, q.bid, q.bid_size,
       q.ask, q.ask_size, q.last, q.volume, q.open_interest, q.open_interest_change,
       q.implied_volatility
FROM marketdata_instrument i CROSS JOIN LATERAL (
    SELECT * FROM marketdata_optionquote o
    WHERE o.instrument_id = i.id AND o.observed_at <= %(as_of)s
    ORDER BY o.observed_at DESC LIMIT 1
) q
WHERE i.underlying_id = %(underlying)s AND i.kind = 'option'
  AND ((i.expires_at - interval '1 microsecond') AT TIME ZONE 'UTC')::date = %(expiry)s
ORDER BY i.strike, i.right
"""


class ContractSerializer(serializers.ModelSerializer[OptionQuote]):
    """One contract as it was last seen."""

    instrument = serializers.CharField()
    strike = serializers.FloatField()
    right = serializers.ChoiceField(choices=("C", "P"))

    class Meta:
        model = OptionQuote
        fields = HEADINGS


class ChainSerializer(serializers.Serializer[Any]):
    """The contracts of one expiry, lowest strike first."""

    underlying = serializers.CharField()
    expiry = serializers.DateField()
    as_of = serializers.DateTimeField(allow_null=True)
    contracts = ContractSerializer(many=True)


class ChainQuery(serializers.Serializer[Any]):
    """Which chain, and when."""

    underlying = serializers.CharField(max_length=61, help_text="SYMBOL or VENUE:SYMBOL")
    expiry = serializers.DateField(required=False, help_text="Needed; its absence lists them.")
    as_of = Instant(required=False, help_text="Quotes seen later are left out; none: the newest.")
    format = serializers.ChoiceField(choices=FORMATS, required=False)


@extend_schema(parameters=[ChainQuery], responses=ChainSerializer, tags=["marketdata"])
class OptionChainView(Downloads, viewsets.ViewSet):
    """An option chain as it was known at an instant; a quote carries the time it was seen."""

    required_role = "viewer"
    query: ClassVar[Any] = ChainQuery

    def list(self, request: Request) -> HttpResponseBase:
        """Return the chain, in JSON or as a file."""
        asked = values_of(request, self.query)
        [underlying] = find_instruments([asked["underlying"]])
        expiry = asked.get("expiry")
        if expiry is None:
            raise serializers.ValidationError({"expiry": [_which_expiries(underlying)]})
        rows = _chain(underlying, expiry, asked.get("as_of"))
        if kind := self.file_kind:
            name = f"chain-{underlying}-{expiry}"
            fields: list[Any] = [OptionQuote._meta.get_field(one) for one in SEEN]
            strike = Instrument._meta.get_field("strike")
            table = Table(name, [None, strike, None, *fields], HEADINGS, [rows])
            return download(request._request, table, kind)
        contracts = [dict(zip(HEADINGS, row, strict=True)) for row in rows]
        answer = {"underlying": str(underlying), "expiry": expiry, "as_of": asked.get("as_of")}
        return Response({**answer, "contracts": contracts})


def _chain(underlying: Instrument, expiry: date, as_of: datetime | None) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(
            CHAIN,
            {"underlying": underlying.pk, "expiry": expiry, "as_of": as_of or "infinity"},
        )
        return cursor.fetchall()


def _which_expiries(underlying: Instrument) -> str:
    contracts = Instrument.objects.filter(underlying=underlying, kind="option")
    instants = contracts.values_list("expires_at", flat=True).order_by("expires_at").distinct()
    days = sorted({f"{(at - INSTANT).astimezone(UTC):%Y-%m-%d}" for at in instants if at})
    return f"needed; stored: {', '.join(days)}" if days else f"no option of {underlying} is stored"
