"""What exists is described: plug-ins, commands, settings, pages."""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from django.core.management import get_commands, load_command_class

from domain.decisions import Check
from domain.portfolio import PortfolioSnapshot
from execution.services.connect_broker import broker_names
from marketdata.feeds.registry import load_feeds
from marketdata.indicators.registry import INDICATORS, load_indicators
from mlweights.optimizers.registry import load_optimizers
from risk.rules.registry import RULES, Limits, RuleContext, load_rules
from strategies.bots.registry import STRATEGIES
from tests.architecture.guards import ROOT, shown, tracked_files
from tests.marketdata.indicators import suite
from tests.strategies.bots import suite as bot_suite

DOCS = ROOT / "docs"
FLOORS = {"domain", "marketdata", "mlweights", "strategies", "risk", "execution", "tradingsite"}
PLUGINS = [*load_feeds(), *load_optimizers(), *load_rules(), *broker_names()]
COMMANDS = sorted(name for name, app in get_commands().items() if app in FLOORS)
# They run until they are stopped: their answer is their log.
ENDLESS = {"up", "feed"}
# Handed from one process of ours to another; nobody sets them.
INTERNAL = {"PYTHONPATH", "PLUMBLINE_TEST_SERVICES", "DJANGO_SETTINGS_MODULE"}
READERS = {"text", "integer", "flag", "listing", "secret"}


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", list(load_indicators()))
def test_indicator_when_registered_has_a_page(name: str) -> None:
    if name.startswith("cdl_"):  # a row of the family's page
        assert f"| `{name}` |" in page("indicators/candle_patterns.md")
        return
    text = page(f"indicators/{name}.md")
    for heading in ("Formula", "Source", "Normalised", "Parameters", "Limits"):
        assert f"## {heading}" in text
    assert f"[{name}]({name}.md)" in page("indicators/index.md")


@pytest.mark.parametrize("name", PLUGINS)
def test_plugin_when_registered_is_described(name: str) -> None:
    assert f"### `{name}`\n" in page("plugins.md")


def test_plugins_page_when_read_names_only_what_exists() -> None:
    assert sorted(re.findall(r"^### `(\w+)`$", page("plugins.md"), re.MULTILINE)) == sorted(PLUGINS)


@pytest.mark.parametrize("name", COMMANDS)
def test_command_when_ours_is_documented_and_answers_json(name: str) -> None:
    assert f"| `{name}` |" in page("commands.md")
    parser = load_command_class(get_commands()[name], name).create_parser("manage.py", name)
    takes_json = "--json" in parser.format_help()
    assert takes_json is (name not in ENDLESS)


def settings_read() -> Iterator[str]:
    """Yield the name of every environment variable that the code reads."""
    for path in tracked_files():
        if path.suffix != ".py" or path.relative_to(ROOT).parts[0] not in {*FLOORS, "manage.py"}:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            called = ast.unparse(node.func)
            is_reader = called.removeprefix("env.") in READERS or called.endswith("environ.get")
            name = getattr(node.args[0], "value", None)
            if is_reader and isinstance(name, str) and re.fullmatch(r"[A-Z][A-Z_]+", name):
                yield name


def test_settings_when_read_by_the_code_are_documented() -> None:
    documented = set(re.findall(r"`([A-Z][A-Z_]+)`", page("operations.md")))
    read = set(settings_read()) - INTERNAL
    assert {"DATABASE_URL", "PORT", "SECRET_KEY", "METRICS_TOKEN"} <= read
    assert read - documented == set()


def nav_files(entries: object) -> Iterator[str]:
    """Yield every file a navigation names."""
    if isinstance(entries, str):
        yield entries
    elif isinstance(entries, dict):
        for entry in entries.values():
            yield from nav_files(entry)
    elif isinstance(entries, list):
        for entry in entries:
            yield from nav_files(entry)


def test_pages_when_written_are_in_the_navigation() -> None:
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    written = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    assert set(nav_files(config["nav"])) == written


def linked(path: Path) -> Iterator[Path]:
    """Yield the files a Markdown page links to."""
    for target in re.findall(r"\]\(([^)\s#]+)", path.read_text(encoding="utf-8")):
        if "://" not in target:
            yield (path.parent / target).resolve()


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_front_page_when_it_links_points_at_files(name: str) -> None:
    missing = [str(target) for target in linked(ROOT / name) if not target.is_file()]
    assert missing == []


def test_paths_when_named_in_the_docs_exist() -> None:
    named = re.compile(rf"`((?:{'|'.join(sorted(FLOORS))}|tests)/[\w/.]+)")
    missing = {
        f"{shown(path)}: {target}"
        for path in tracked_files()
        if path.suffix == ".md"
        for target in named.findall(path.read_text(encoding="utf-8"))
        if not (ROOT / target.rstrip(".")).exists()
    }
    # The guide to contributing names the file a newcomer is about to write.
    assert missing == {"CONTRIBUTING.md: marketdata/indicators/range_place.py"}


def test_changelog_when_read_has_an_unreleased_part() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## [Unreleased]" in text


def test_readme_when_read_names_its_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "$ make up\n" in text
    assert "$ make test\n" in text
    assert text.index("$ make up") < 2500


def test_decisions_when_written_say_context_choice_and_rules() -> None:
    pages = sorted(DOCS.glob("decisions/0*.md"))
    assert [path.name[:4] for path in pages] == [f"{n:04}" for n in range(1, len(pages) + 1)]
    for path in pages:
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f"# {path.name[:4]} ")
        for heading in ("Context", "Choice", "Rules that follow"):
            assert f"## {heading}" in text


def example(language: str, heading: str) -> str:
    """Return the first code block below a heading of CONTRIBUTING.md."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return text.split(f"### {heading}\n")[1].split(f"```{language}\n")[1].split("```")[0]


@pytest.fixture
def run_example() -> Iterator[Callable[[str], dict[str, Any]]]:
    """Return a function that runs an example's code; what it registers is taken out again."""
    registries = (INDICATORS, STRATEGIES, RULES)
    before = [dict(registry._plugins) for registry in registries]

    def run(heading: str) -> dict[str, Any]:
        module = ModuleType("example")  # dataclasses look their module up
        sys.modules["example"] = module
        vars(module)["__name__"] = "example"
        exec(example("python", heading), vars(module))
        return vars(module)

    yield run
    sys.modules.pop("example", None)
    for registry, plugins in zip(registries, before, strict=True):
        registry._plugins.clear()
        registry._plugins.update(plugins)


def test_contributing_when_its_indicator_is_run_passes_the_suite(
    run_example: Callable[[str], dict[str, Any]],
) -> None:
    indicator = run_example("An indicator")["range_place"]()
    bars = suite.walk_bars(600, seed=7)
    suite.check_shape(indicator, bars)
    suite.check_pure(indicator, bars, suite.walk_bars(300, seed=8))
    suite.check_no_look_ahead(suite.batch_of(indicator), bars, cuts=5, seed=9)
    suite.check_warm_up(indicator, bars, starts=20, seed=10)
    suite.check_varies(indicator, bars)


def test_contributing_when_its_strategy_is_run_decides(
    run_example: Callable[[str], dict[str, Any]],
) -> None:
    made = run_example("A strategy")["DirectedStrength"]
    bot = made(made.Params.parse({"least_adx": 25}))
    bot_suite.check_weight_sets(bot)
    strong, calm = ({"adx": (raw, 0.3), "ema_cross": (0.1, 0.3)} for raw in (30.0, 20.0))
    asked = [
        bot_suite.seen(bot, strong),
        bot_suite.seen(bot, calm),
        bot_suite.seen(bot, strong, position=3),
        bot_suite.seen(bot, calm, position=3),
    ]
    wishes = [bot.decide(context) for context in asked]
    assert [(one.side, one.is_exit) for one in wishes] == [
        (1, False),
        (0, False),
        (0, False),
        (-1, True),
    ]
    bot_suite.check_pure(lambda: bot, bot_suite.random_contexts(bot, 50, seed=11))


def test_contributing_when_its_rule_is_run_checks(
    run_example: Callable[[str], dict[str, Any]],
) -> None:
    rule = run_example("A risk rule")["few_positions"]
    nothing_held = PortfolioSnapshot(
        cash=Decimal(100),
        positions=(),
        peak_equity=Decimal(100),
        day_start_equity=Decimal(100),
    )
    context = RuleContext(
        control_state="active",
        limits=Limits(10**8, 10**8, 10**8, 3),
        portfolio=nothing_held,
        reserved_cash=Decimal(0),
        exposure=Decimal(0),
        requested=Decimal(1),
        cost=Decimal(1),
        is_exit=False,
        price_age_ms=0,
        price_age_limit_ms=1,
    )
    assert rule(context) == Check("few_positions", "0", "10", "")
