"""A gate's result for the terminal, for a pull request (Markdown) and for CI (JUnit)."""

from xml.etree import ElementTree

from pellucid.evals.compare_view import COLUMNS, details, ordered, row
from pellucid.evals.compare_view import as_text as comparison_text
from pellucid.evals.gate import Gate


def as_text(gate: Gate) -> str:
    """Return the result as plain text."""
    lines = [f"{gate.name}: {'passed' if gate.passed else 'FAILED'}"]
    for result in gate.results:
        lines.append(f"  {'pass' if result.passed else 'FAIL'}  {result.rule}  ({result.found})")
    if gate.comparison is not None:
        lines += ["", comparison_text(gate.comparison)]
    return "\n".join(lines)


def as_markdown(gate: Gate) -> str:
    """Return the result as Markdown."""
    lines = [
        f"### {_cell(gate.name)}: {'passed ✅' if gate.passed else 'failed ❌'}",
        "",
        "| rule | found | |",
        "|---|---|---|",
        *(
            f"| `{result.rule}` | {_cell(result.found)} | {'✅' if result.passed else '❌'} |"
            for result in gate.results
        ),
    ]
    if gate.comparison is not None:
        lines += ["", f"| {' | '.join(COLUMNS)} |", f"|{'---|' * len(COLUMNS)}"]
        lines += [
            f"| {' | '.join(_cell(cell) for cell in row(change))} |"
            for change in ordered(gate.comparison)
        ]
        if notes := details(gate.comparison):
            lines += ["", *(f"- {_cell(note.strip())}" for note in notes)]
    return "\n".join(lines) + "\n"


def as_junit(gate: Gate) -> str:
    """Return the result as JUnit XML."""
    failed = [result for result in gate.results if not result.passed]
    suite = ElementTree.Element(
        "testsuite",
        name=f"pellucid gate {gate.name}",
        tests=str(len(gate.results)),
        failures=str(len(failed)),
        errors="0",
    )
    for result in gate.results:
        case = ElementTree.SubElement(
            suite, "testcase", classname="pellucid.gate", name=result.rule
        )
        if not result.passed:
            ElementTree.SubElement(case, "failure", message=result.found)
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
