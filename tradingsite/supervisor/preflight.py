"""Finding out before anything starts what would fail later: servers, and the web port."""

import errno
import socket
from contextlib import suppress
from urllib.parse import urlsplit

import psutil
import psycopg2

from domain.errors import PlumblineError

CONNECT_SECONDS = 5


class UnreachableError(PlumblineError):
    """A server named in the settings does not let us in."""

    code = "unreachable"


class PortTakenError(PlumblineError):
    """The web port belongs to somebody else."""

    code = "port_taken"


def check_database(url: str) -> None:
    """Return if PostgreSQL lets us in; else raise one line that says why not."""
    try:
        psycopg2.connect(url, connect_timeout=CONNECT_SECONDS).close()
    except psycopg2.OperationalError as error:
        raise UnreachableError(f"DATABASE_URL: {_first_line(error)}") from None
    except psycopg2.ProgrammingError as error:  # an option libpq does not know
        raise UnreachableError(f"DATABASE_URL: {_first_line(error)}") from None


def check_redis(setting: str, url: str) -> None:
    """Return if Redis answers; else raise one line that says why not."""
    import redis  # noqa: PLC0415 - 0.2 s, and desks with the embedded one do without

    client = redis.Redis.from_url(
        url, socket_timeout=CONNECT_SECONDS, socket_connect_timeout=CONNECT_SECONDS
    )
    parts = urlsplit(url)
    where = parts.path if parts.scheme == "unix" else f"{parts.hostname}:{parts.port or 6379}"
    try:
        client.ping()
    except redis.AuthenticationError:
        raise UnreachableError(f"{setting}: Redis at {where} refuses the password") from None
    except (redis.RedisError, OSError) as error:
        reason = _first_line(error)
        raise UnreachableError(f"{setting}: no Redis answers at {where} ({reason})") from None
    finally:
        client.close()


def check_port(host: str, port: int) -> None:
    """Return if the web process can listen there; else raise a line that names the owner."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortTakenError(
                    f"port {port} is taken{_owner(port)}; choose another: PORT={port + 1} make up"
                ) from None
            raise PortTakenError(f"cannot listen on {host}:{port}: {error.strerror}") from None


def _owner(port: int) -> str:
    """Return ` by NAME (process N)` when the system tells us."""
    with suppress(psutil.Error, PermissionError):
        for connection in psutil.net_connections("tcp"):
            is_listener = connection.status == psutil.CONN_LISTEN
            if is_listener and connection.laddr.port == port and connection.pid:
                name = psutil.Process(connection.pid).name()
                return f" by {name} (process {connection.pid})"
    return ""


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
