"""Bots over the API: made, changed, started, paused, stopped, checked and promoted."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from domain.errors import PlumblineError
from strategies.api.serializers import BotProofSerializer, BotSerializer
from strategies.api.views import BotView
from strategies.models import BotProof
from strategies.queries import find_bot
from tradingsite.api.dataclass_serializers import serializer_for
from tradingsite.api.views import IDEMPOTENCY_KEY
from tradingsite.dashboard.bot_queries import Correlation, correlation_of
from tradingsite.pipelines.bot_actions import BotWish, act_on_bot, change_terms, make_bot

CorrelationSerializer = serializer_for(Correlation)

FOR_LIFE = "a bot keeps it for life; make another bot with POST /api/v1/bots/"
# What a wish may not say, and what to use instead.
INSTEAD = {
    "stage": "use POST /api/v1/bots/NAME/check/, then /api/v1/bots/NAME/promote/",
    "state": "use POST /api/v1/bots/NAME/start/, pause/ or stop/",
    "name": FOR_LIFE,
    "account": FOR_LIFE,
    "strategy": FOR_LIFE,
}


class NoAccountError(PlumblineError):
    """The question does not say which account it is about."""

    code = "account_missing"


class BotTermsSerializer(serializers.Serializer[Any]):
    """What of a bot can be changed while it is stopped."""

    instruments = serializers.ListField(
        child=serializers.CharField(max_length=61), allow_empty=False, max_length=1000
    )
    timeframe = serializers.CharField(max_length=3)
    parameters = serializers.DictField(default=dict)
    capital = serializers.DecimalField(
        max_digits=24, decimal_places=8, allow_null=True, default=None
    )

    def to_internal_value(self, data: Any) -> Any:
        """Return the wish; a field that would be passed over in silence is refused."""
        if isinstance(data, Mapping):
            usual = f"no such field; known: {', '.join(self.fields)}"
            foreign = {name: [INSTEAD.get(name, usual)] for name in data if name not in self.fields}
            if foreign:
                raise serializers.ValidationError(foreign)
        return super().to_internal_value(data)


class BotWishSerializer(BotTermsSerializer):
    """A bot to be made."""

    name = serializers.CharField(max_length=60)
    account = serializers.CharField(max_length=60)
    strategy = serializers.CharField(max_length=40)


class ManagedBotView(BotView):  # type: ignore[valid-type, misc]
    """Strategies at work: what each does, with what, and how far it was let."""

    @property
    def required_role(self) -> str:
        """Return who may call it: everybody looks, traders write."""
        return "viewer" if self.request.method in SAFE_METHODS else "trader"

    @extend_schema(
        request=BotWishSerializer,
        responses={201: BotSerializer},
        parameters=[IDEMPOTENCY_KEY],
        tags=["strategies"],
    )
    def create(self, request: Request) -> Response:
        """Make a bot: a draft that stands still until it is checked and promoted."""
        wish = BotWishSerializer(data=request.data)
        wish.is_valid(raise_exception=True)
        bot = make_bot(BotWish(**wish.validated_data), actor=request.user.get_username())
        return Response(BotSerializer(bot).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        request=BotTermsSerializer(partial=True), responses=BotSerializer, tags=["strategies"]
    )
    def partial_update(self, request: Request, **where: str) -> Response:
        """Change a stopped bot; one that decides otherwise from now on is a draft again."""
        wish = BotTermsSerializer(data=request.data, partial=True)
        wish.is_valid(raise_exception=True)
        bot = change_terms(
            where[self.lookup_field], wish.validated_data, actor=request.user.get_username()
        )
        return Response(BotSerializer(bot).data)


class BotActionView(APIView):
    """Starts, pauses, stops, checks and promotes a bot; its open positions stay."""

    required_role = "trader"

    @extend_schema(
        operation_id="v1_bots_act",
        request=None,
        responses=BotSerializer,
        parameters=[IDEMPOTENCY_KEY],
        tags=["strategies"],
    )
    def post(self, request: Request, name: str, verb: str) -> Response:
        """Do it; a state set twice changes nothing, every check writes a proof."""
        act_on_bot(verb, name, actor=request.user.get_username())
        if verb == "check":
            proof = BotProof.objects.filter(bot__name=name).order_by("-id").first()
            return Response(BotProofSerializer(proof).data)
        return Response(BotSerializer(find_bot(name)).data)


class BotCorrelationView(APIView):
    """How alike the bots of an account earn and lose."""

    required_role = "viewer"

    @extend_schema(
        parameters=[OpenApiParameter(name="account", required=True)],
        responses=CorrelationSerializer,
        tags=["strategies"],
    )
    def get(self, request: Request) -> Response:
        """Return Pearson's correlation of daily profits, pair by pair, with the common days."""
        account = request.query_params.get("account", "")
        if not account:
            raise NoAccountError("say ?account=NAME")
        found = correlation_of(account)
        return Response(CorrelationSerializer(found).data)
