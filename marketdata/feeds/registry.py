"""The registry that finds every feed of this folder."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import marketdata.feeds as folder
from domain.budget import RateBudget, Unlimited
from domain.registry import Registry
from marketdata.feeds.base import BadFeedOptionsError, Feed, FeedOptions

FEEDS: Registry[type[Feed]] = Registry("feed")


@cache
def load_feeds() -> Registry[type[Feed]]:
    """Return the registry after importing every feed file, once."""
    FEEDS.load(folder)
    return FEEDS


def make_feed(
    name: str, options: Mapping[str, Any] | None = None, budget: RateBudget | None = None
) -> Feed:
    """Return the named feed with its options checked; it asks `budget` before every call."""
    checked = check_options(name, options or {})
    return load_feeds().get(name)(checked, budget or Unlimited())


def check_options(name: str, options: Any) -> FeedOptions:
    """Return the options of the named feed, typed; raise in one line when they do not fit."""
    kind = load_feeds().get(name)
    if kind.Options is None:
        raise BadFeedOptionsError(f"'{name}' cannot be a provider: the desk itself makes it")
    if not isinstance(options, Mapping):
        raise BadFeedOptionsError(f"options must be names and values, not {options!r}")
    return kind.Options.parse(options)
