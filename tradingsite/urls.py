"""Every address of the desk."""

from django.contrib import admin
from django.urls import include, path

from tradingsite.monitoring import views as monitoring

handler400 = "tradingsite.access.problems.bad_request"
handler403 = "tradingsite.access.problems.forbidden"
handler404 = "tradingsite.access.problems.not_found"
handler500 = "tradingsite.access.problems.server_error"

urlpatterns = [
    path("healthz", monitoring.healthz, name="healthz"),
    path("metrics", monitoring.metrics, name="metrics"),
    path("api/", include("tradingsite.api.urls")),
    path("admin/", admin.site.urls),
    path("", include("tradingsite.dashboard.urls")),
]
