"""The addresses of the pages."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path, re_path

from tradingsite.dashboard import views

urlpatterns = [
    path("", views.desk, name="desk"),
    path("positions/", views.positions, name="positions"),
    path("orders/", views.orders, name="orders"),
    path("orders/<int:order_id>/why/", views.order_why, name="order-why"),
    path("signals/", views.signals, name="signals"),
    path("signals/<int:signal_id>/why/", views.signal_why, name="signal-why"),
    path("scores/<int:score_id>/why/", views.score_why, name="score-why"),
    path("weights/", views.weights, name="weights"),
    path("data/", views.data, name="data"),
    re_path(
        r"^data/gaps/(?P<gap_id>\d{1,18})/(?P<verb>accept|ask)/$",
        views.gap_action,
        name="gap-action",
    ),
    re_path(
        r"^data/findings/(?P<finding_id>\d{1,18})/(?P<verb>accept|dismiss)/$",
        views.finding_action,
        name="finding-action",
    ),
    path("panels/<slug:name>/", views.panel, name="panel"),
    path("bots/", views.bots, name="bots"),
    path("new-bot/", views.bot_new, name="bot-new"),
    path("bots/<slug:name>/", views.bot, name="bot"),
    path("bots/<slug:name>/act/", views.bot_act, name="bot-act"),
    path("kill-switch/", views.kill_switch, name="kill-switch"),
    path("login/", LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
]
