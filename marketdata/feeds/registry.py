"""The registry that finds every feed of this folder."""

from collections.abc import Callable
from functools import cache

import marketdata.feeds as folder
from domain.registry import Registry
from marketdata.feeds.base import Feed

FEEDS: Registry[Callable[..., Feed]] = Registry("feed")


@cache
def load_feeds() -> Registry[Callable[..., Feed]]:
    """Return the registry after importing every feed file, once."""
    FEEDS.load(folder)
    return FEEDS
