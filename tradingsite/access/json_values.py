"""The cache keeps JSON: whoever can write to it must not be able to run code here."""

import json
from typing import Any


class JsonValues:
    """What Django's Redis cache calls to store and read a value."""

    def dumps(self, value: Any) -> int | str:
        """Return the value as JSON; whole numbers stay countable by Redis."""
        return value if type(value) is int else json.dumps(value)

    def loads(self, stored: bytes) -> Any:
        """Return the stored value."""
        return json.loads(stored)
