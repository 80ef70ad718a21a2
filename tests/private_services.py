"""A pytest plugin: real PostgreSQL and Redis of this run's own, before any setting is read."""

from tradingsite.embedded.testing import private_services

private_services()
