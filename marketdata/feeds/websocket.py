"""Ticks from a websocket that speaks a small JSON protocol: the bridge to any source of one's own.

The protocol stands in docs/feeds.md. A message that cannot be read is counted and skipped; a
connection that fails, closes or stops answering pings ends the subscription.
"""

import json
import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

import numpy as np
from websockets.exceptions import ConnectionClosed, InvalidURI, WebSocketException
from websockets.sync.client import ClientConnection, connect

from domain.bars import to_micros
from domain.budget import RateBudget
from domain.ticks import TICK, TickArray
from marketdata.feeds.base import (
    Feed,
    FeedCapabilities,
    FeedError,
    FeedOptions,
    FeedUnavailableError,
    ShouldStop,
    check_seconds,
    check_url,
)
from marketdata.feeds.registry import FEEDS

# How soon silence and `should_stop` are noticed; the port asks for a second at the most.
LISTEN_SECONDS = 0.5
# What has already arrived is handed on together: one array for many small messages.
MESSAGES_AT_ONCE = 500
Row = tuple[int, float, float, int, int]  # in the order of TICK
SIDES = {"buy": 1, "sell": -1, "": 0, 1: 1, -1: -1, 0: 0, None: 0}


@dataclass(frozen=True)
class WebsocketOptions(FeedOptions):
    """Where the bridge listens, and how long it may take to answer."""

    url: str
    timeout_seconds: float = 10.0  # to connect, and to answer a ping
    ping_seconds: float = 10.0

    def __post_init__(self) -> None:
        check_url("url", self.url, ("ws", "wss"))
        check_seconds("timeout_seconds", self.timeout_seconds)
        check_seconds("ping_seconds", self.ping_seconds)


@FEEDS.register("websocket")
class WebsocketFeed(Feed):
    """Live ticks of a bridge; it has no history."""

    name = "websocket"
    Options = WebsocketOptions

    def __init__(self, options: WebsocketOptions, budget: RateBudget | None = None) -> None:
        super().__init__(options, budget)
        self._bad_messages = 0

    @property
    def capabilities(self) -> FeedCapabilities:
        """Return that this feed brings ticks."""
        return FeedCapabilities(has_ticks=True)

    @property
    def bad_messages(self) -> int:
        """Return how many messages or ticks could not be read."""
        return self._bad_messages

    def subscribe_ticks(
        self, *, symbols: Sequence[str], should_stop: ShouldStop
    ) -> Generator[TickArray | None, None, None]:
        """Yield what the bridge sends; None as soon as it is connected, and while it is mute."""
        places = {symbol: place for place, symbol in enumerate(symbols)}
        self.budget.take()
        try:
            with self._connect() as socket:
                socket.send(json.dumps({"type": "subscribe", "symbols": list(symbols)}))
                yield None
                while not should_stop():
                    ticks = self._ticks_in(socket, _arrived(socket), places)
                    yield _array(ticks) if ticks else None
        except (WebSocketException, OSError) as error:
            self._fail(error)

    def _connect(self) -> ClientConnection:
        options = self.options
        return connect(
            options.url,
            open_timeout=options.timeout_seconds,
            close_timeout=1.0,
            ping_interval=options.ping_seconds,
            ping_timeout=options.timeout_seconds,
        )

    def _fail(self, error: Exception) -> NoReturn:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        if isinstance(error, InvalidURI):
            raise FeedError(f"websocket {self.options.url}: {reason}") from None
        said = "the connection ended" if isinstance(error, ConnectionClosed) else "no connection"
        raise FeedUnavailableError(f"websocket {self.options.url}: {said}: {reason}") from None

    def _ticks_in(
        self, socket: ClientConnection, messages: Sequence[str | bytes], places: Mapping[str, int]
    ) -> list[Row]:
        """Return the rows of the messages; pings are answered, what is unreadable is counted."""
        found = []
        for text in messages:
            message = _object(text)
            kind = message.get("type")
            if kind == "tick":
                given: Any = [message]
            elif kind == "ticks" and isinstance(message.get("ticks"), list):
                given = message["ticks"]
            elif kind == "ping":
                socket.send('{"type": "pong"}')
                continue
            elif kind == "error":
                reason = str(message.get("message"))[:200]
                raise FeedError(f"websocket {self.options.url} refuses: {reason}")
            else:
                self._bad_messages += kind not in {"pong", "subscribed"}
                continue
            rows = [_row(one, places) for one in given]
            self._bad_messages += rows.count(None)
            found += [row for row in rows if row is not None]
        return found


def _arrived(socket: ClientConnection) -> list[str | bytes]:
    """Return what comes within the time to listen, and everything that lies behind it already."""
    messages: list[str | bytes] = []
    try:
        messages.append(socket.recv(timeout=LISTEN_SECONDS))
        while len(messages) < MESSAGES_AT_ONCE:
            messages.append(socket.recv(timeout=0))
    except TimeoutError:
        pass
    except ConnectionClosed:
        if not messages:  # what came before the end is handed on first
            raise
    return messages


def _object(text: str | bytes) -> dict[str, Any]:
    """Return the JSON object, or an empty one when it is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _row(given: Any, places: Mapping[str, int]) -> Row | None:
    """Return ts, price, size, place and side of one tick; None when it cannot be read."""
    try:
        place = places[given["symbol"]]
        size = given.get("size")
        row = (
            _micros(given["ts"]),
            _number(given["price"]),
            math.nan if size is None else _number(size),
            place,
            SIDES[given.get("side")],
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return None
    return row


def _array(rows: Sequence[Row]) -> TickArray:
    """Return the rows as TICK; the bytes between its columns are zero, so equal ticks are equal."""
    found = np.zeros(len(rows), dtype=TICK)
    for name, column in zip(TICK.names or (), zip(*rows, strict=True), strict=True):
        found[name] = column
    return found


def _micros(ts: Any) -> int:
    """Return epoch microseconds from epoch milliseconds or from ISO text with a zone."""
    if isinstance(ts, str):
        return to_micros(datetime.fromisoformat(ts))
    micros = round(_number(ts) * 1000)
    if not 0 <= micros < 2**62:
        raise ValueError(f"no instant: {ts}")
    return micros


def _number(value: Any) -> float:
    """Return the finite number; text and true are none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"no number: {value!r}")
    return float(value)
