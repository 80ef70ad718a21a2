"""The desk on one machine, and in production: the environment makes the difference."""

from tradingsite.settings.api import *  # noqa: F403
from tradingsite.settings.base import *  # noqa: F403
from tradingsite.settings.celery import *  # noqa: F403
from tradingsite.settings.channels import *  # noqa: F403
from tradingsite.settings.logging import *  # noqa: F403
