"""What the environment says, typed: the only file that reads environment variables for settings.

A `.env` file in the checkout is read first; the environment wins over it. An empty value
counts as unset.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import (
    SplitResult,
    parse_qs,
    parse_qsl,
    quote,
    unquote,
    urlencode,
    urlsplit,
)

from domain.errors import PlumblineError
from tradingsite.embedded.addresses import embedded_database_url, embedded_redis_url
from tradingsite.embedded.locations import CHECKOUT, Locations, locate
from tradingsite.embedded.secret_files import random_text, read_or_make

EMBEDDED_SETTINGS = {"postgres": "DATABASE_URL", "redis": "REDIS_URL"}
TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"0", "false", "no", "off"})


class BadSettingError(PlumblineError):
    """A setting cannot be understood; the line names it and never shows a secret."""

    code = "bad_setting"


def load_env_file(path: Path = CHECKOUT / ".env") -> None:
    """Put the KEY=value lines of `path` into the environment where it says nothing yet."""
    if not path.is_file():
        return
    for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        line = raw.strip().removeprefix("export ")
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or not name.strip().isidentifier():
            raise BadSettingError(f"{path.name} line {number}: expected NAME=value")
        os.environ.setdefault(name.strip(), _unquoted(value.strip()))


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return value.split(" #", maxsplit=1)[0].rstrip()


def text(name: str, default: str = "") -> str:
    """Return the setting as text, or `default` when unset or empty."""
    return os.environ.get(name, "").strip() or default


def integer(name: str, default: int, *, at_least: int = 0) -> int:
    """Return the setting as a whole number not below `at_least`."""
    raw = text(name)
    if not raw:
        return default
    if not raw.lstrip("-").isdecimal() or int(raw) < at_least:
        raise BadSettingError(f"{name} must be a whole number from {at_least} up, not '{raw}'")
    return int(raw)


def flag(name: str, *, default: bool) -> bool:
    """Return the setting as yes or no."""
    raw = text(name).lower()
    if not raw:
        return default
    if raw not in TRUE_WORDS | FALSE_WORDS:
        raise BadSettingError(f"{name} must be yes or no, not '{raw}'")
    return raw in TRUE_WORDS


def listing(name: str, default: tuple[str, ...] = ()) -> list[str]:
    """Return the comma-separated setting as a list without empty items."""
    items = [item.strip() for item in text(name).split(",")]
    return [item for item in items if item] or list(default)


def data_dir() -> Path:
    """Return the folder of everything this checkout keeps: PLUMBLINE_DATA_DIR or .data."""
    return Path(text("PLUMBLINE_DATA_DIR", str(CHECKOUT / ".data"))).expanduser().resolve()


def port() -> int:
    """Return the web port: PORT or 8000."""
    number = integer("PORT", 8000, at_least=1)
    if number > 65535:
        raise BadSettingError(f"PORT must lie between 1 and 65535, not {number}")
    return number


def host() -> str:
    """Return the address the web process listens on: HOST or this machine only."""
    return text("HOST", "127.0.0.1")


def secret(name: str, make: Callable[[], str] = random_text) -> str:
    """Return a secret: the environment's, else one generated once under the data folder."""
    return text(name) or read_or_make(data_dir(), name.lower(), make)


def is_embedded(service: str) -> bool:
    """Return whether `service` ("postgres" or "redis") is ours to run."""
    return not text(EMBEDDED_SETTINGS[service])


def embedded_names() -> tuple[str, ...]:
    """Return the services that are ours to run."""
    return tuple(name for name in EMBEDDED_SETTINGS if is_embedded(name))


def database_url() -> str:
    """Return DATABASE_URL, or where the embedded PostgreSQL answers; starts nothing."""
    if is_embedded("postgres"):
        return embedded_database_url(locations())
    url = text("DATABASE_URL")
    database_config(url)
    return url


def redis_url() -> str:
    """Return REDIS_URL (the durable one), or where the embedded Redis answers."""
    if is_embedded("redis"):
        return embedded_redis_url(locations())
    return _checked_redis("REDIS_URL", text("REDIS_URL"))


def redis_live_url() -> str:
    """Return REDIS_LIVE_URL (disposable: channels, cache), else the durable one."""
    url = text("REDIS_LIVE_URL")
    return _checked_redis("REDIS_LIVE_URL", url) if url else redis_url()


def celery_broker_url(url: str) -> str:
    """Return a Redis URL in Celery's spelling: sockets are redis+socket there."""
    parts = urlsplit(url)
    if parts.scheme != "unix":
        return url
    options = dict(parse_qsl(parts.query))
    if "db" in options:
        options["virtual_host"] = options.pop("db")
    query = f"?{urlencode(options)}" if options else ""
    return f"redis+socket://{parts.netloc}{parts.path}{query}"


def locations() -> Locations:
    """Return where the embedded services of this data folder live."""
    return locate(data_dir())


def database_config(url: str, name: str | None = None) -> dict[str, Any]:
    """Return Django's DATABASES entry for a PostgreSQL URL, on `name` instead of its database."""
    parts = _split("DATABASE_URL", url, ("postgres", "postgresql"))
    options = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    socket_dir = options.pop("host", "")
    database = name or unquote(parts.path.removeprefix("/"))
    if not database or "/" in database:
        raise BadSettingError("DATABASE_URL names no database: postgresql://user@host/name")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": database,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": socket_dir or unquote(parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"connect_timeout": 5, **options},
    }


def with_database_name(url: str, name: str) -> str:
    """Return the same PostgreSQL URL for another database."""
    return urlsplit(url)._replace(path="/" + quote(name, safe="")).geturl()


def _checked_redis(setting: str, url: str) -> str:
    parts = _split(setting, url, ("redis", "rediss", "unix"))
    if parts.scheme == "unix" and not parts.path.strip("/"):
        raise BadSettingError(f"{setting} names no socket: unix:///path/redis.sock")
    if parts.scheme != "unix" and not parts.hostname:
        raise BadSettingError(f"{setting} names no host: redis://host:6379/0")
    database = parts.path.strip("/")
    if parts.scheme != "unix" and database and not database.isdecimal():
        raise BadSettingError(f"{setting} must end in a database number: redis://host:6379/0")
    return url


def _split(setting: str, url: str, schemes: tuple[str, ...]) -> SplitResult:
    """Return the URL's parts; the error never repeats the URL, it may hold a password."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # parsed on access only
    except ValueError:
        raise BadSettingError(f"{setting} is not a URL with a numeric port") from None
    if parts.scheme not in schemes:
        shown = f"'{parts.scheme}'" if "://" in url else "no scheme"
        raise BadSettingError(f"{setting} must begin with {schemes[0]}://, it has {shown}")
    return parts


load_env_file()
