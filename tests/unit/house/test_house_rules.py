"""The rules of the house that no linter knows."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

import pellucid

ROOT = Path(__file__).parents[3]
SOURCE = ROOT / "src" / "pellucid"
MOST_LINES = 500
LONGER_WITH_REASON: dict[str, str] = {}
"""Path below src/pellucid → why it may be longer."""
MOST_FUNCTION_LINES = 60
LONGER_FUNCTIONS_WITH_REASON = {
    "server/web/pages/runs.py list_runs": "a third of it fills the page's fields, one a line",
}
"""Path and function → why it may be longer."""


def _files(pattern: str) -> list[Path]:
    return sorted(path for path in SOURCE.rglob(pattern) if "vendor" not in path.parts)


def test_no_source_file_is_too_long() -> None:
    too_long = {
        str(path.relative_to(SOURCE)): lines
        for pattern in ("*.py", "*.js", "*.css", "*.html")
        for path in _files(pattern)
        if (lines := len(path.read_text().splitlines())) > MOST_LINES
    }
    assert set(too_long) <= set(LONGER_WITH_REASON), too_long


def test_the_allow_list_of_long_files_holds_no_more_than_it_must() -> None:
    for name in LONGER_WITH_REASON:
        assert len((SOURCE / name).read_text().splitlines()) > MOST_LINES, name


def _long_functions() -> dict[str, int]:
    """Return the functions that do not fit a screen: lines of code, without the docstring."""
    found = {}
    for path in _files("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                lines = node.end_lineno - node.lineno + 1
                if ast.get_docstring(node) is not None:
                    docstring = node.body[0]
                    assert docstring.end_lineno is not None
                    lines -= docstring.end_lineno - docstring.lineno + 1
                if lines > MOST_FUNCTION_LINES:
                    found[f"{path.relative_to(SOURCE)} {node.name}"] = lines
    return found


def test_functions_fit_a_screen() -> None:
    too_long = _long_functions()
    assert set(too_long) <= set(LONGER_FUNCTIONS_WITH_REASON), too_long


def test_the_allow_list_of_long_functions_holds_no_more_than_it_must() -> None:
    assert set(LONGER_FUNCTIONS_WITH_REASON) <= set(_long_functions())


def test_no_module_is_named_utils() -> None:
    names = {path.stem for path in _files("*.py")}
    assert not names & {"utils", "util", "helpers", "misc", "common"}


def test_the_facade_lists_what_it_offers() -> None:
    assert sorted(pellucid.__all__) == pellucid.__all__
    assert dir(pellucid) == pellucid.__all__
    for name in pellucid.__all__:
        assert getattr(pellucid, name) is not None


def test_the_facade_tells_type_checkers_what_it_tells_python() -> None:
    tree = ast.parse((SOURCE / "__init__.py").read_text())
    typed = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for statement in node.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }
    assert typed == set(pellucid.__all__) - {"__version__"}


@pytest.mark.parametrize(
    "pattern", [r"\bT[O]DO\b", r"\bF[I]XME\b", r"/ro[o]t/", r"/wo[r]k/", r"pypi\.o[r]g/simple"]
)
def test_the_repository_speaks_of_the_product_alone(pattern: str) -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if tracked.returncode:
        pytest.skip("not a git checkout")
    for name in filter(None, tracked.stdout.split("\0")):
        path = ROOT / name
        if "vendor" in path.parts or path.suffix in {".pb", ".woff2", ".png", ".svg"}:
            continue
        if path.is_file():
            found = re.search(pattern, path.read_text(errors="ignore"))
            assert found is None, f"{name}: {found}"
