"""What searches find a snapshot by: `snapshot.branch:main`, `snapshot.package.openai:1.2`."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from pellucid.core.snapshot import Manifest, SnapshotParts

_MAX_FACTS = 2000
_MAX_TEXT = 400


class Fact(NamedTuple):
    """One fact: its name below `snapshot.`, and its value as text."""

    name: str
    text: str


def manifest_facts(digest: str, manifest: Manifest) -> list[Fact]:
    """Return a manifest's own facts; `part` names the objects whose facts count as its own."""
    facts = [
        Fact("id", digest),
        Fact("tree", manifest.tree),
        Fact("file_count", str(manifest.file_count)),
        Fact("size_bytes", str(manifest.size_bytes)),
    ]
    git = manifest.git
    if git is not None:
        facts.append(Fact("dirty", "true" if git.dirty else "false"))
        facts += [Fact("commit", git.commit)] if git.commit else []
        facts += [Fact("branch", git.branch)] if git.branch else []
    if manifest.entry_point is not None:
        facts.append(
            Fact("entry_point", f"{manifest.entry_point.module}:{manifest.entry_point.name}")
        )
    facts += [Fact(f"dataset.{name}", version) for name, version in manifest.datasets.items()]
    for part in (manifest.packages, manifest.config, manifest.environment, manifest.observed):
        facts += [Fact("part", part)] if part else []
    return facts


def part_facts(manifest: Manifest, parts: SnapshotParts) -> dict[str, list[Fact]]:
    """Return the facts of each part by its digest."""
    facts: dict[str, list[Fact]] = {}
    if manifest.packages:
        facts[manifest.packages] = [
            Fact(f"package.{name}", version) for name, version in parts.packages.items()
        ]
    if manifest.config:
        facts[manifest.config] = list(_flatten("config", parts.config))
    if manifest.environment:
        facts[manifest.environment] = [
            Fact(name, value) for name, value in parts.environment.items() if isinstance(value, str)
        ]
    if manifest.observed:
        facts[manifest.observed] = list(_observed(parts.observed))
    return {digest: _bounded(found) for digest, found in facts.items()}


def _observed(observed: dict[str, Any]) -> Iterator[Fact]:
    for name, plural in (("model", "models"), ("prompt", "prompts"), ("tool", "tools")):
        held = observed.get(plural)
        for key in held if isinstance(held, dict | list) else []:
            yield Fact(name, str(key))


def _flatten(prefix: str, value: Any) -> Iterator[Fact]:
    if isinstance(value, dict):
        for key, child in value.items():
            yield from _flatten(f"{prefix}.{key}", child)
    elif isinstance(value, bool):
        yield Fact(prefix, "true" if value else "false")
    elif isinstance(value, str | int | float):
        yield Fact(prefix, str(value))


def _bounded(facts: list[Fact]) -> list[Fact]:
    return [Fact(fact.name[:_MAX_TEXT], fact.text[:_MAX_TEXT]) for fact in facts[:_MAX_FACTS]]
