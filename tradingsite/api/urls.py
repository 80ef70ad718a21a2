"""All addresses below /api/: one router for the lists of every floor."""

from django.urls import URLPattern, URLResolver, include, path, re_path

from execution.api.urls import ROUTES as EXECUTION
from marketdata.api.urls import ROUTES as MARKETDATA
from mlweights.api.urls import ROUTES as MLWEIGHTS
from risk.api.urls import ROUTES as RISK
from strategies.api.urls import ROUTES as STRATEGIES
from tradingsite.api import bot_views, views
from tradingsite.pipelines.bot_actions import ACTIONS

DESK = (
    ("alerts", views.AlertView),
    ("audit", views.AuditView),
    ("bots", bot_views.ManagedBotView),
    ("idempotency-keys", views.IdempotencyKeyView),
    ("job-runs", views.JobRunView),
    ("job-slots", views.JobSlotView),
)

router = views.Router()
for route, view in (*MARKETDATA, *MLWEIGHTS, *STRATEGIES, *RISK, *EXECUTION, *DESK):
    router.register(route, view, basename=f"api-{route}")

V1: list[URLPattern | URLResolver] = [
    path("token/", views.TokenView.as_view(), name="api-token"),
    path("token/refresh/", views.TokenAgainView.as_view(), name="api-token-refresh"),
    path("indicators/", views.IndicatorsView.as_view(), name="api-indicators"),
    path("orders/<int:order_id>/why/", views.WhyView.as_view(), name="api-order-why"),
    path("signals/<int:signal_id>/why/", views.SignalWhyView.as_view(), name="api-signal-why"),
    path("scores/<int:score_id>/why/", views.ScoreWhyView.as_view(), name="api-score-why"),
    re_path(
        rf"^bots/(?P<name>[^/]+)/(?P<verb>{'|'.join(ACTIONS)})/?$",
        bot_views.BotActionView.as_view(),
        name="api-bot-action",
    ),
    re_path(
        r"^accounts/(?P<name>[^/]+)/kill-switch/?$",
        views.KillSwitchView.as_view(),
        name="api-kill-switch",
    ),
    path("bot-correlation/", bot_views.BotCorrelationView.as_view(), name="api-bot-correlation"),
    path("", include(router.urls)),
]

urlpatterns = [
    path("v1/", include(V1)),
    path("schema/", views.SchemaView.as_view(), name="api-schema"),
    path("docs/", views.DocsView.as_view(), name="api-docs"),
]
