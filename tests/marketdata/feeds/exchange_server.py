"""An exchange of one's own that ccxt's binance client accepts, and that fails on request."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

MINUTE_MS = 60_000
INTERVALS = {"1m": MINUTE_MS, "5m": 5 * MINUTE_MS, "1h": 60 * MINUTE_MS, "1d": 1440 * MINUTE_MS}
MOST_BARS = 1000


@dataclass(frozen=True)
class Fault:
    """An answer that is none: `status` and `body`, or silence, or half of what should come."""

    status: int = 200
    body: str | None = None  # None: the right answer's
    retry_after: str | None = None
    is_half: bool = False
    is_silent: bool = False


LIMITED = Fault(429, '{"code": -1003, "msg": "Too many requests."}')
LIMITED_FOR_7_SECONDS = Fault(429, '{"code": -1003, "msg": "Too much."}', retry_after="7")
BANNED_UNTIL_A_DATE = Fault(418, "{}", retry_after="Wed, 21 Oct 2026 07:28:00 GMT")
BROKEN = Fault(500, '{"code": -1000, "msg": "unknown"}')
ERROR_PAGE = Fault(502, "<html><body><h1>502 Bad Gateway</h1></body></html>")
PAGE_WITH_STATUS_200 = Fault(200, "<html><body>We are down for maintenance</body></html>")
HALF_A_JSON = Fault(is_half=True)
NOTHING = Fault(200, "")
OTHER_SHAPE = Fault(200, '{"data": 5}')
NO_NUMBERS = Fault(200, '[[1704153600000, "x", "x", "x", "x", "x"]]')
SILENCE = Fault(is_silent=True)


def price(minute: int) -> float:
    """Return the price at a minute since 1970: a saw of whole numbers."""
    return 100.0 + minute % 50


class ExchangeServer:
    """Bars of every minute from `first_ms` to `last_ms`, both opening instants; the last one is
    open. Faults are used up one by one, then answers are right again."""

    def __init__(self, first_ms: int, last_ms: int) -> None:
        self.first_ms, self.last_ms = first_ms, last_ms
        self.symbols = [("BTC", "USDT"), ("ETH", "USDT")]
        self.page = MOST_BARS
        self.faults: list[Fault] = []
        self.calls: list[str] = []  # path and query of every call
        self.closing = Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, daemon=True)

    def start(self) -> "ExchangeServer":
        """Begin to serve."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Close everything, and end what is silent."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def calls_of(self, name: str) -> int:
        """Return how often a path was called."""
        return sum(urlsplit(call).path.endswith(name) for call in self.calls)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one call, or do what the next fault says."""
        self.calls.append(request.path)
        path = urlsplit(request.path).path
        query = {name: values[0] for name, values in parse_qs(urlsplit(request.path).query).items()}
        fault = self.faults.pop(0) if self.faults and path.endswith("/klines") else Fault()
        if fault.is_silent:
            self.closing.wait(30)
            return
        status, found = self._found(path, query)
        body = (json.dumps(found) if fault.body is None else fault.body).encode()
        body = body[: len(body) // 2] if fault.is_half else body
        request.send_response(status if fault.status == 200 else fault.status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(body)))
        if fault.retry_after is not None:
            request.send_header("Retry-After", fault.retry_after)
        request.end_headers()
        request.wfile.write(body)

    def _found(self, path: str, query: dict[str, str]) -> tuple[int, Any]:
        if path == "/api/v3/exchangeInfo":
            return 200, {"timezone": "UTC", "symbols": [self._symbol(*one) for one in self.symbols]}
        if path == "/api/v3/klines":
            return 200, self._klines(query)
        if path == "/api/v3/ticker/24hr":
            return 200, [self._ticker(symbol) for symbol in json.loads(query["symbols"])]
        return 404, {"code": -1, "msg": f"no such path {path}"}

    def _klines(self, query: dict[str, str]) -> list[list[Any]]:
        step = INTERVALS[query["interval"]]
        first = max(int(query.get("startTime", self.first_ms)), self.first_ms)
        last = min(int(query.get("endTime", self.last_ms)), self.last_ms)
        limit = min(int(query.get("limit", 500)), self.page)
        opens = range(-(-first // step) * step, last + 1, step)
        return [self._kline(at, step) for at in list(opens)[:limit]]

    def _kline(self, at: int, step: int) -> list[Any]:
        close = price(at // MINUTE_MS)
        texts = [f"{one:.2f}" for one in (close, close + 1, close - 1, close)]
        return [at, *texts, "5.0", at + step - 1, "0", 3, "0", "0", "0"]

    def _symbol(self, base: str, quoted: str) -> dict[str, Any]:
        return {
            "symbol": f"{base}{quoted}",
            "status": "TRADING",
            "baseAsset": base,
            "baseAssetPrecision": 8,
            "quoteAsset": quoted,
            "quotePrecision": 8,
            "orderTypes": ["LIMIT", "MARKET"],
            "isSpotTradingAllowed": True,
            "permissions": ["SPOT"],
            "filters": [
                {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000",
                 "tickSize": "0.01"},
                {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000",
                 "stepSize": "0.00001"},
            ],
        }  # fmt: skip

    def _ticker(self, symbol: str) -> dict[str, Any]:
        prices = {"lastPrice": "101.5", "bidPrice": "101.4", "bidQty": "2", "askPrice": "101.6"}
        return {"symbol": symbol, **prices, "askQty": "3", "closeTime": self.last_ms}


@contextmanager
def running_exchange(first_ms: int, last_ms: int) -> Iterator[ExchangeServer]:
    """Give a running exchange; it is stopped at the end."""
    server = ExchangeServer(first_ms, last_ms).start()
    try:
        yield server
    finally:
        server.stop()
