"""What no source file may do: run stored text, load executable formats, grow without end."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.guards import ROOT, shown, tracked_files

LONGEST = 700  # 60 to 400 lines are meant; this catches what has stopped being one subject
BANNED_IMPORTS = frozenset({"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve"})
BANNED_CALLS = frozenset(
    {"eval", "exec", "compile", "yaml.load", "yaml.unsafe_load", "joblib.load", "joblib.dump"}
    | {"os.system", "os.popen", "torch.load", "numpy.load", "np.load", "pandas.read_pickle"}
    | {"pd.read_pickle"}
)


def sources() -> list[Path]:
    """Return every Python file that ships."""
    return [
        path
        for path in tracked_files()
        if path.suffix == ".py" and path.relative_to(ROOT).parts[0] not in {"tests", "docs"}
    ]


def dangers(tree: ast.AST) -> Iterator[str]:
    """Yield each banned import and call as `what:line`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module}.{one.name}" for one in node.names)]
        else:
            names = []
        yield from (
            f"{name}:{node.lineno}"  # type: ignore[attr-defined]
            for name in names
            if name.split(".")[0] in BANNED_IMPORTS or name in BANNED_CALLS
        )
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            shell = any(
                word.arg == "shell" and getattr(word.value, "value", True) for word in node.keywords
            )
            if called in BANNED_CALLS or shell:
                yield f"{called}:{node.lineno}"


@pytest.mark.parametrize("path", sources(), ids=shown)
def test_source_when_parsed_runs_no_stored_text(path: Path) -> None:
    assert list(dangers(ast.parse(path.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from pickle import loads",
        "from joblib import load",
        "joblib.load(path)",
        "eval(text)",
        "exec(text)",
        "yaml.load(text)",
        "subprocess.run(line, shell=True)",
    ],
)
def test_dangers_when_planted_are_found(text: str) -> None:
    assert list(dangers(ast.parse(text)))


def test_sources_when_measured_are_of_reasonable_length() -> None:
    lengths = {shown(path): path.read_text(encoding="utf-8").count("\n") for path in sources()}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST} == {}


def test_settings_when_read_use_json_only() -> None:
    from_django = (ROOT / "tradingsite/settings/celery.py").read_text(encoding="utf-8")
    assert 'CELERY_ACCEPT_CONTENT = ["json"]' in from_django
