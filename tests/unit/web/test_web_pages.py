"""Each page's fields and its template's names agree, and every asset that is named exists."""

import dataclasses
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import jinja2
import jinja2.meta
import jinja2.nodes
import pytest

import pellucid.server.web.pages
from pellucid.server.web.assets import ROOT, asset_url, load_assets, slim
from pellucid.server.web.kinds import kind_look
from pellucid.server.web.page import Fragment, Page, environment

TEMPLATES = Path(pellucid.server.web.__path__[0]) / "templates"

STYLES = ("app.css", "pages.css", "runs.css")


def _fragments() -> list[type[Fragment]]:
    for module in pkgutil.iter_modules(pellucid.server.web.pages.__path__):
        importlib.import_module(f"pellucid.server.web.pages.{module.name}")

    def below(cls: type[Fragment]) -> Iterator[type[Fragment]]:
        for child in cls.__subclasses__():
            yield child
            yield from below(child)

    return sorted(
        (cls for cls in below(Fragment) if cls is not Page), key=lambda cls: cls.__qualname__
    )


def _names(template: str, seen: set[str]) -> set[str]:
    """Return the context names of a template, with what it extends and includes."""
    if template in seen:
        return set()
    seen.add(template)
    source = (TEMPLATES / template).read_text()
    tree = environment().parse(source)
    macros = {macro.name for macro in tree.find_all(jinja2.nodes.Macro)}
    names = jinja2.meta.find_undeclared_variables(tree) - macros
    for other in jinja2.meta.find_referenced_templates(tree):
        assert other is not None, f"{template} computes a template's name"
        if not other.endswith("macros.html"):
            names |= _names(other, seen)
    return names - set(environment().globals) - {"ui", "run_ui"}


@pytest.mark.parametrize("page", _fragments(), ids=lambda page: page.__name__)
def test_fields_and_template_agree(page: type[Fragment]) -> None:
    fields = {field.name for field in dataclasses.fields(page)}
    names = _names(page.template, set())
    assert names - fields == set(), f"{page.template} uses names that {page.__name__} lacks"
    unused = fields - names - {"place"}
    assert unused == set(), f"{page.__name__} has fields that {page.template} never shows"


@pytest.mark.parametrize("page", _fragments(), ids=lambda page: page.__name__)
def test_every_field_is_documented(page: type[Fragment]) -> None:
    assert page.__doc__
    for field in dataclasses.fields(page):
        assert field.metadata.get("doc"), f"{page.__name__}.{field.name} lacks its sentence"


def _sources() -> list[Path]:
    scripts = [path for path in ROOT.rglob("*.js") if "vendor" not in path.parts]
    return sorted([*TEMPLATES.glob("*.html"), *scripts])


def test_every_template_belongs_to_a_page() -> None:
    seen = {path.name for path in TEMPLATES.glob("*macros.html")}
    for page in _fragments():
        _names(page.template, seen)
    assert {path.name for path in TEMPLATES.glob("*.html")} == seen


def test_every_icon_that_is_named_is_in_the_sprite() -> None:
    icons = set(re.findall(r'<symbol id="([^"]+)"', (ROOT / "icons.svg").read_text()))
    named = {kind_look(kind).icon for kind in ("AGENT", "LLM", "TOOL", "PARSER", "TASK", "?")}
    for path in _sources():
        text = path.read_text()
        named |= set(re.findall(r"ui\.icon\('([^']+)'", text))
        named |= set(re.findall(r'(?:icon\(|icon: )"([a-z0-9-]+)"', text))
    assert named - icons == set()


def test_scripts_and_templates_carry_nothing_that_the_policy_forbids() -> None:
    for path in TEMPLATES.glob("*.html"):
        text = path.read_text()
        assert not re.search(r"<script(?![^>]*\bsrc=)", text), f"{path.name}: inline script"
        assert not re.search(r"<style|\son[a-z]+=|hx-on|javascript:", text), path.name
        assert not re.search(r"\|\s*safe", text), f"{path.name}: text marked safe"
    for path in _sources():
        if path.suffix == ".js":
            assert not re.search(
                r"\.(?:inner|outer)HTML\b|insertAdjacentHTML|document\.write|\beval\(|new Function",
                path.read_text(),
            ), path.name


def test_style_attributes_hold_only_what_data_decides() -> None:
    for path in TEMPLATES.glob("*.html"):
        for style in re.findall(r'style="([^"]*)"', path.read_text()):
            assert re.fullmatch(r"(?:--[a-z0-9]+:\{\{[^}]*\}\}(?:px)?;?)+", style), (
                path.name,
                style,
            )


def test_modules_are_short_and_checked() -> None:
    for path in ROOT.rglob("*.js"):
        if "vendor" in path.parts:
            continue
        lines = path.read_text().splitlines()
        assert lines[0] == "// @ts-check", path.name
        assert len(lines) <= 400, path.name


def test_all_scripts_together_fit_the_budget() -> None:
    size = sum(len(one.plain) for name, one in load_assets().items() if name.endswith(".js"))
    assert size <= 200_000


def test_scripts_are_sent_without_what_only_readers_need() -> None:
    script = b"// a\nlet x = 1; // b\n/**\n * c\n */\n/* d */\n  /** @type {A} */ (y)();\n"
    assert slim(script) == b"let x = 1; // b\n(y)();\n"
    assert slim(b"  let text = `a\n   b`;\n") == b"  let text = `a\n   b`;\n"
    for path in (ROOT / "components").glob("*.js"):
        sent = load_assets()[f"components/{path.name}"].plain
        assert not re.search(rb"^\s*(//|\*/?\s)|/\*\*", sent, re.MULTILINE), path.name


def test_no_page_names_another_host() -> None:
    allowed = {"http://www.w3.org/2000/svg", "http://127.0.0.1:4380"}
    for path in [*_sources(), *(ROOT / name for name in STYLES), ROOT / "tokens.css"]:
        text = path.read_text()
        found = set(re.findall(r"https?://[a-z0-9][^\s\"'`<>)]*", text))
        assert found <= allowed, (path.name, found - allowed)


def test_vendored_files_are_the_ones_that_the_notice_names() -> None:
    import hashlib

    readme = (ROOT / "vendor" / "README").read_text()
    for path in sorted((ROOT / "vendor").glob("*.js")):
        assert path.name in readme
        assert hashlib.sha256(path.read_bytes()).hexdigest() in readme


def test_addresses_of_assets_change_with_their_bytes() -> None:
    url = asset_url("app.css")
    assert re.fullmatch(r"/static/[0-9a-f]{12}/app\.css", url)
    assert "components/main.js" in load_assets()


def test_every_colour_and_size_comes_from_a_token() -> None:
    declared = set(re.findall(r"(--[a-z0-9-]+):", (ROOT / "tokens.css").read_text()))
    css = "".join((ROOT / name).read_text() for name in STYLES)
    used = set(re.findall(r"var\((--[a-z0-9-]+)\)", css))
    from_data = {"--v", "--v0", "--x", "--w", "--f", "--d", "--p"}
    assert used - declared - set(re.findall(r"(--[a-z0-9-]+):", css)) - from_data == set()
