"""Logs: one JSON object a line on stderr, with the walk's id where there is one."""

from tradingsite.monitoring.logs import logging_config

LOGGING = logging_config()
