"""A family of plug-ins: found by importing a folder, refused when two claim one name."""

import sys
import types
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from domain import registry as registry_module
from domain.registry import DuplicatePluginError, Registry, UnknownPluginError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[types.ModuleType]:
    """Return an importable package of two plug-in files that fill `planted_family.FAMILY`."""
    monkeypatch.syspath_prepend(str(tmp_path))
    package = tmp_path / "planted_plugins"
    package.mkdir()
    (tmp_path / "planted_family.py").write_text(
        "from domain.registry import Registry\nFAMILY = Registry('planted')\n"
    )
    (package / "__init__.py").write_text("")
    for name in ("zebra", "ant"):
        (package / f"{name}.py").write_text(
            "from planted_family import FAMILY\n"
            f"@FAMILY.register('{name}')\n"
            f"def plugin():\n    return '{name}!'\n"
        )
    yield __import__("planted_plugins")
    for name in [one for one in sys.modules if one.startswith("planted_")]:
        del sys.modules[name]


def test_registry_when_folder_is_loaded_holds_every_file_in_name_order(
    folder: types.ModuleType,
) -> None:
    family = __import__("planted_family").FAMILY
    family.load(folder)
    assert list(family) == ["ant", "zebra"]
    assert [(name, plugin()) for name, plugin in family.items()] == [
        ("ant", "ant!"),
        ("zebra", "zebra!"),
    ]
    family.load(folder)  # imported already: nothing is registered twice
    assert len(family) == 2


def test_registry_when_an_entry_point_is_installed_loads_it(
    folder: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def installed(*, group: str) -> list[EntryPoint]:
        assert group == "plumbline.outer"
        return [EntryPoint("ant", "planted_plugins.ant", group)]

    monkeypatch.setattr(registry_module, "entry_points", installed)
    empty = types.ModuleType("planted_empty")
    empty.__path__ = []
    Registry("outer").load(empty)
    assert "ant" in __import__("planted_family").FAMILY


def test_registry_when_a_name_is_taken_twice_refuses_the_second() -> None:
    family: Registry[int] = Registry("number")
    family.add("one", 1)
    with pytest.raises(DuplicatePluginError, match="number 'one' is registered twice"):
        family.add("one", 11)
    assert family.get("one") == 1


def test_registry_when_a_name_is_unknown_lists_the_known() -> None:
    family: Registry[int] = Registry("number")
    with pytest.raises(UnknownPluginError, match="unknown number 'two'; known: none"):
        family.get("two")
    family.add("one", 1)
    with pytest.raises(UnknownPluginError, match="known: one"):
        family.get("two")


def test_register_when_used_as_decorator_returns_the_plugin_itself() -> None:
    family: Registry[object] = Registry("thing")

    @family.register("made")
    def made() -> int:
        return 3

    assert made() == 3
    assert family.get("made") is made
    assert "made" in family
    assert "other" not in family
