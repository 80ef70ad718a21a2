"""Names to plug-ins: one registry per family, filled by importing every file of a folder."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from types import ModuleType
from typing import Generic, TypeVar

from domain.errors import PlumblineError

T = TypeVar("T")


class DuplicatePluginError(PlumblineError):
    """Two files claim one name: start-up stops."""

    code = "duplicate_plugin"


class UnknownPluginError(PlumblineError):
    """Nobody registered that name."""

    code = "unknown_plugin"


class Registry(Generic[T]):
    """A family of plug-ins by name, in name order."""

    def __init__(self, family: str) -> None:
        self.family = family
        self._plugins: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that files a plug-in under `name`."""

        def file_it(plugin: T) -> T:
            self.add(name, plugin)
            return plugin

        return file_it

    def add(self, name: str, plugin: T) -> None:
        """File a plug-in; a name taken twice is refused."""
        if name in self._plugins:
            raise DuplicatePluginError(f"{self.family} '{name}' is registered twice; rename one")
        self._plugins[name] = plugin

    def load(self, package: ModuleType) -> None:
        """Import every file of `package`, then the entry points `plumbline.<family>`."""
        for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            importlib.import_module(module.name)
        for entry in entry_points(group=f"plumbline.{self.family}"):
            entry.load()

    def get(self, name: str) -> T:
        """Return the plug-in called `name`."""
        if name not in self._plugins:
            known = ", ".join(self) or "none"
            raise UnknownPluginError(f"unknown {self.family} '{name}'; known: {known}")
        return self._plugins[name]

    def items(self) -> list[tuple[str, T]]:
        """Return every (name, plug-in), sorted by name."""
        return sorted(self._plugins.items())

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._plugins))

    def __contains__(self, name: object) -> bool:
        return name in self._plugins

    def __len__(self) -> int:
        return len(self._plugins)
