"""The desk on one machine, and in production: the environment makes the difference."""

from tradingsite.settings.api import *
from tradingsite.settings.base import *
from tradingsite.settings.celery import *
from tradingsite.settings.channels import *
from tradingsite.settings.logging import *
