"""Where clients reach the embedded services; light, for every process imports it."""

from tradingsite.embedded.locations import Locations
from tradingsite.embedded.secret_files import read_or_make

DATABASE = "plumbline"
ROLE = "plumbline"
PASSWORD_FILE = "postgres_password"  # noqa: S105 - a file name


def embedded_database_url(locations: Locations, database: str = DATABASE) -> str:
    """Return the URL of `database` in the embedded server, running or not."""
    password = read_or_make(locations.data, PASSWORD_FILE)
    return f"postgresql://{ROLE}:{password}@/{database}?host={locations.postgres_sockets}"


def embedded_redis_url(locations: Locations) -> str:
    """Return the URL of the embedded Redis, running or not."""
    return f"unix://{locations.redis_socket}?db=0"
