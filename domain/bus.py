"""Publish and listen inside one process, inside the publisher's transaction."""

from collections.abc import Callable, Sequence

from domain.events import Event

Listener = Callable[[Sequence[Event]], None]

_listeners: list[Listener] = []


def listen(listener: Listener) -> None:
    """Call `listener` with every batch of events; registering twice changes nothing."""
    if listener not in _listeners:
        _listeners.append(listener)


def publish(*events: Event) -> None:
    """Hand the events to every listener in order; an error of a listener is the caller's."""
    if events:
        for listener in _listeners:
            listener(events)
