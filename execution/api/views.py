"""Read views of the execution floor."""

from execution.api import serializers
from marketdata.api.read_only import view_of

BookView = view_of(serializers.BookSerializer)
OrderView = view_of(serializers.OrderSerializer, words=("client_order_id", "state", "mode"))
OrderEventView = view_of(serializers.OrderEventSerializer, words=("from_state", "to_state"))
AllowedEdgeView = view_of(serializers.AllowedEdgeSerializer, words=("from_state", "to_state"))
OutboxView = view_of(serializers.OutboxSerializer)
FillView = view_of(serializers.FillSerializer, words=("execution_id",))
LedgerTxnView = view_of(serializers.LedgerTxnSerializer, words=("ref",))
LedgerEntryView = view_of(serializers.LedgerEntrySerializer, words=("asset",))
PositionView = view_of(serializers.PositionSerializer)
EquityPointView = view_of(serializers.EquityPointSerializer)
IncidentView = view_of(serializers.IncidentSerializer, words=("kind", "subject"))
PaperOrderView = view_of(serializers.PaperOrderSerializer, words=("client_order_id", "state"))
PaperExecutionView = view_of(
    serializers.PaperExecutionSerializer, words=("client_order_id", "execution_id")
)
