"""The API's own rooms: root, tokens, schema, the why of an order, and the kill switch."""

from typing import Any

from csp.decorators import csp_update
from django.utils.decorators import method_decorator
from drf_spectacular.utils import OpenApiParameter, extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework import routers
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.views import TokenObtainPairView, TokenRefreshView

from marketdata.api.read_only import view_of
from marketdata.indicator_facts import facts_of
from marketdata.indicators.registry import load_indicators
from risk.api.serializers import ControlSerializer
from risk.services.kill_switch import engage_kill_switch, release_kill_switch
from tradingsite.access.permissions import RolePermission
from tradingsite.access.roles import Role, has_role
from tradingsite.access.throttling import LoginThrottle
from tradingsite.api import serializers
from tradingsite.celery import nudge
from tradingsite.explain import explain_score, explain_signal
from tradingsite.why import why

AlertView = view_of(serializers.AlertSerializer, words=("kind", "object"))
AuditView = view_of(serializers.AuditSerializer, words=("shard", "actor", "action", "subject"))
IdempotencyKeyView = view_of(serializers.IdempotencyKeySerializer, role="admin")
JobRunView = view_of(serializers.JobRunSerializer, words=("name",))
JobSlotView = view_of(serializers.JobSlotSerializer, words=("name",))

IDEMPOTENCY_KEY = OpenApiParameter(
    name="Idempotency-Key",
    location=OpenApiParameter.HEADER,
    description="Sent again with the same body, the stored answer comes back and nothing happens.",
)


class RootView(routers.APIRootView):
    """Every list of the API by name."""

    required_role = "viewer"
    schema = None


class Router(routers.DefaultRouter):
    """Routes of all floors below one root."""

    APIRootView = RootView
    include_format_suffixes = False


class WhyView(APIView):
    """Everything an order came from: decision, signal, score with contributions, weights."""

    required_role = "viewer"

    @extend_schema(responses=serializers.WhySerializer, tags=["execution"])
    def get(self, request: Request, order_id: int) -> Response:
        """Return the chain from the order back to the training run."""
        return Response(serializers.WhySerializer(why(order_id)).data)


class SignalWhyView(APIView):
    """Everything a signal came from and led to, its score made again from stored bars."""

    required_role = "viewer"

    @extend_schema(responses=serializers.ExplanationSerializer, tags=["strategies"])
    def get(self, request: Request, signal_id: int) -> Response:
        """Return indicators, regime, thresholds, decision, orders and the recomputation."""
        found = explain_signal(str(signal_id))
        return Response(serializers.ExplanationSerializer(found).data)


class ScoreWhyView(APIView):
    """Everything a score was made of, also one that no bot acted on."""

    required_role = "viewer"

    @extend_schema(responses=serializers.ExplanationSerializer, tags=["mlweights"])
    def get(self, request: Request, score_id: int) -> Response:
        """Return indicators, regime, weights and the recomputation."""
        return Response(serializers.ExplanationSerializer(explain_score(score_id)).data)


class IndicatorsView(APIView):
    """Every registered indicator with what it declares; the same list for everybody."""

    required_role = "viewer"

    @extend_schema(responses=serializers.IndicatorFactsSerializer(many=True), tags=["marketdata"])
    def get(self, request: Request) -> Response:
        """Return family, inputs, outputs, parameters with ranges, first value and warm-up."""
        found = [facts_of(name) for name in load_indicators()]
        return Response(serializers.IndicatorFactsSerializer(found, many=True).data)


class KillSwitchView(APIView):
    """Halts an account and lets it go on; traders may halt, risk managers also release."""

    required_role = "trader"

    @extend_schema(
        request=serializers.KillSwitchSerializer,
        responses=ControlSerializer,
        parameters=[IDEMPOTENCY_KEY],
        tags=["risk"],
    )
    def post(self, request: Request, name: str) -> Response:
        """Move the switch; repeating it changes nothing."""
        wish = serializers.KillSwitchSerializer(data=request.data)
        wish.is_valid(raise_exception=True)
        release = wish.validated_data["action"] == "release"
        if release and not has_role(request.user, Role.RISK_MANAGER):
            raise PermissionDenied("only a risk manager releases the kill switch")
        move = release_kill_switch if release else engage_kill_switch
        control = move(
            account_name=name,
            actor=request.user.get_username(),
            reason=wish.validated_data["reason"],
        )
        nudge(control.account_id)
        return Response(ControlSerializer(control).data)


class TokenView(TokenObtainPairView):
    """Name and password for an access and a refresh token."""

    throttle_classes = (LoginThrottle,)


class TokenAgainView(TokenRefreshView):
    """A refresh token for a new access token."""

    throttle_classes = (LoginThrottle,)


class SchemaView(SpectacularAPIView):
    """The OpenAPI description of this API."""

    permission_classes = (RolePermission,)
    authentication_classes = (JWTAuthentication, SessionAuthentication)
    required_role = "viewer"

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return the description as YAML, or JSON when asked for."""
        return super().get(request, *args, **kwargs)


# Swagger UI draws with data: fonts and style attributes; scripts stay our own files.
@method_decorator(csp_update({"style-src": "'unsafe-inline'"}), name="dispatch")
class DocsView(SpectacularSwaggerSplitView):
    """The API to look at and try, from files of our own."""

    permission_classes = (RolePermission,)
    authentication_classes = (JWTAuthentication, SessionAuthentication)
    required_role = "viewer"
    url_name = "api-schema"
    template_name = "api/docs.html"
