"""/healthz for whoever asks, /metrics for this machine or whoever holds the token."""

import hmac
from dataclasses import asdict
from ipaddress import ip_address

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST

from tradingsite import env
from tradingsite.access.problems import problem_page
from tradingsite.monitoring.health import check_health
from tradingsite.monitoring.metrics import metrics_text

METRICS_TOKEN = env.text("METRICS_TOKEN")


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Return every part of the desk; 200 only when all are ready."""
    health = check_health()
    body = {
        "ok": health.ok,
        "components": {
            component.name: {
                key: value for key, value in asdict(component).items() if key != "name"
            }
            for component in health.components
        },
    }
    answer = JsonResponse(body, status=200 if health.ok else 503)
    answer["Cache-Control"] = "no-store"
    return answer


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Return the metrics."""
    if not may_read_metrics(request):
        detail = "metrics are for this machine; others send METRICS_TOKEN as a bearer token"
        return problem_page(status=403, code="forbidden", detail=detail)
    return HttpResponse(metrics_text(), content_type=CONTENT_TYPE_LATEST)


def may_read_metrics(request: HttpRequest) -> bool:
    """Tell whether the request holds the token, or comes from this machine itself."""
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if METRICS_TOKEN and hmac.compare_digest(given.encode(), METRICS_TOKEN.encode()):
        return True
    # A proxy on this machine speaks for others.
    return _is_loopback(request) and "X-Forwarded-For" not in request.headers


def _is_loopback(request: HttpRequest) -> bool:
    try:
        return ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False
