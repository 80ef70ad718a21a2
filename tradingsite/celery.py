"""The Celery app, and `nudge()`: the only place that publishes a message."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradingsite.settings.local")

app = Celery("tradingsite")
app.config_from_object("django.conf:settings", namespace="CELERY")
