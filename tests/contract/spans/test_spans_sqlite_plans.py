"""Statements use the indexes that their comments name; none walks a large table unawares."""

import re
from pathlib import Path

import apsw
import pytest

from pellucid.storage.spans.sqlite import store
from pellucid.storage.spans.sqlite.connection import open_writer
from pellucid.storage.spans.sqlite.functions import register_plain
from pellucid.storage.spans.sqlite.statements import statements

FILES = ("read", "write", "scores", "rollups", "search", "survey", "index", "delete")
LARGE = ("spans", "blocks", "facts", "documents", "labels")
ALIASES = {"s": "spans"}
MAY_SCAN = ("count_documents",)
FILLED = {"{columns}": "*", "{predicate}": "1", "{condition}": "t.key = 1", "{order}": "ASC"}
ALL = [(file, name) for file in FILES for name in statements(file)]


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> apsw.Connection:
    connection = open_writer(tmp_path_factory.mktemp("plans") / "spans.db")
    register_plain(connection)
    return connection


@pytest.mark.parametrize(("file", "name"), ALL, ids=[f"{file}.{name}" for file, name in ALL])
def test_a_statement_uses_its_indexes(db: apsw.Connection, file: str, name: str) -> None:
    sql = statements(file)[name]
    for hole, text in FILLED.items():
        sql = sql.replace(hole, text)
    said, body = " ".join(re.findall(r"--.*", sql)), re.sub(r"--.*", "", sql)
    numbered = [int(number) for number in re.findall(r"\?(\d+)", body)]
    values = (None,) * (max(numbered) if numbered else body.count("?"))
    plan = [str(row[3]) for row in db.execute(f"EXPLAIN QUERY PLAN {body}", values).fetchall()]
    for index in re.findall(r"\b(\w+_by_\w+)\b", said):
        assert any(index in step for step in plan), (index, plan)
    for step in plan:
        scanned = re.match(r"SCAN (\w+)", step)
        if scanned and name not in MAY_SCAN:
            assert ALIASES.get(scanned[1], scanned[1]) not in LARGE, plan


def test_every_file_is_looked_at() -> None:
    folder = Path(store.__file__).parent / "sql"
    assert {path.stem for path in folder.glob("*.sql")} - {"views"} == set(FILES)
