"""A websocket server of one's own that speaks the feed's protocol, and misbehaves on request."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from threading import Condition, Thread
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

WAIT_SECONDS = 15.0


class TickServer:
    """A server in a thread. `tick` sends, `go_mute` stays connected and says nothing,
    `drop` closes every connection, `send` sends any text at all."""

    def __init__(self) -> None:
        self.subscriptions: list[list[str]] = []  # the symbols of every subscribe message
        self.received: list[Any] = []  # every other message
        self.is_mute = False
        self.refuses = False  # close every new connection at once
        self._connections: list[ServerConnection] = []
        self._changed = Condition()
        self._server = serve(self._serve, "127.0.0.1", 0)
        self.port = self._server.socket.getsockname()[1]
        self._thread = Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Return the address to connect to."""
        return f"ws://127.0.0.1:{self.port}/"

    def start(self) -> "TickServer":
        """Begin to serve."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Close everything."""
        self.drop()
        self._server.shutdown()
        self._thread.join(WAIT_SECONDS)

    def tick(
        self, symbol: str, price: float, at: datetime, size: float | None = 1.0, side: str = ""
    ) -> None:
        """Send one tick to every subscriber."""
        self.send(json.dumps(tick_message(symbol, price, at, size, side)))

    def ticks(self, messages: list[dict[str, Any]]) -> None:
        """Send many ticks in one message."""
        self.send(json.dumps({"type": "ticks", "ticks": messages}))

    def send(self, text: str | bytes) -> None:
        """Send anything to every subscriber, unless mute."""
        if self.is_mute:
            return
        for connection in list(self._connections):
            try:
                connection.send(text)
            except ConnectionClosed:
                continue

    def go_mute(self) -> None:
        """Stay connected and say nothing more; pings of the connection are answered."""
        self.is_mute = True

    def speak(self) -> None:
        """End the silence."""
        self.is_mute = False

    def drop(self) -> None:
        """Close every connection."""
        for connection in list(self._connections):
            connection.close()

    def wait_for(self, happened: Callable[["TickServer"], bool]) -> None:
        """Return once it has happened; fail after a while."""
        with self._changed:
            assert self._changed.wait_for(lambda: happened(self), WAIT_SECONDS), "did not happen"

    def wait_for_subscriptions(self, count: int) -> None:
        """Return once so many subscribe messages have come."""
        self.wait_for(lambda server: len(server.subscriptions) >= count)

    def _serve(self, connection: ServerConnection) -> None:
        if self.refuses:
            return
        try:
            for text in connection:
                message = json.loads(text)
                with self._changed:
                    if message.get("type") == "subscribe":
                        self.subscriptions.append(message["symbols"])
                        self._connections.append(connection)
                    else:
                        self.received.append(message)
                    self._changed.notify_all()
        except ConnectionClosed:
            pass
        finally:
            if connection in self._connections:
                self._connections.remove(connection)


def tick_message(
    symbol: str, price: float, at: datetime, size: float | None = 1.0, side: str = ""
) -> dict[str, Any]:
    """Return one tick as the protocol writes it."""
    message: dict[str, Any] = {"type": "tick", "symbol": symbol, "ts": at.isoformat()}
    message["price"] = price
    if size is not None:
        message["size"] = size
    if side:
        message["side"] = side
    return message


@contextmanager
def running_tick_server() -> Iterator[TickServer]:
    """Give a running server; it is stopped at the end."""
    server = TickServer().start()
    try:
        yield server
    finally:
        server.stop()
