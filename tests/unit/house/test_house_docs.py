"""Docs that follow from the code are fresh, links lead somewhere, and code blocks are Python."""

import ast
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def _writer() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "write_reference", ROOT / "scripts" / "write_reference.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["cli.md", "settings.md"])
def test_generated_pages_are_fresh(name: str) -> None:
    written = (ROOT / "docs" / "reference" / name).read_text()
    assert written == _writer().PAGES[name](), "run: python scripts/write_reference.py"


# Litestar 3 will spell parameters and dependencies in another way.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", ["api.md", "python.md"])
def test_every_name_and_request_has_its_entry(name: str) -> None:
    """Their texts follow the docstrings, and are renewed before a release: make docs."""

    def entries(text: str) -> list[str]:
        return re.findall(r"^(#+ .+|- `(?:GET|POST|PUT|PATCH|DELETE) [^?`]+)", text, re.MULTILINE)

    written = (ROOT / "docs" / "reference" / name).read_text()
    assert entries(written) == entries(_writer().PAGES[name]()), (
        "run: python scripts/write_reference.py"
    )


def test_every_setting_is_documented() -> None:
    writer = _writer()
    assert writer.variables_in_code() == writer.documented_variables()


def test_every_page_of_the_documentation_is_in_the_index() -> None:
    docs = ROOT / "docs"
    index = (docs / "README.md").read_text()
    for page in sorted([*docs.glob("guide/*.md"), *docs.glob("reference/*.md")]):
        assert f"({page.relative_to(docs)})" in index, page.name


def test_every_section_of_the_sidebar_is_described() -> None:
    template = ROOT / "src" / "pellucid" / "server" / "web" / "templates" / "sidebar.html"
    sections = re.findall(r'<a class="nav"[^>]*? title="([^"]+)"', template.read_text())
    assert len(sections) > 5
    described = (ROOT / "docs" / "guide" / "pages.md").read_text()
    assert [one for one in sections if f"| {one} |" not in described] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_blocks_parse(page: Path) -> None:
    for block in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL):
        ast.parse(block)
