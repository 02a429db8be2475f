"""Datasets over HTTP: versions, files, differences, and what is refused and how."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from pellucid.core.dataset import Dataset, Example
from pellucid.core.ids import new_id
from pellucid.testing.live import LiveServer

HOSTILE = '=HYPERLINK("http://x","y")<script>alert(1)</script>'


@pytest.fixture(scope="module")
def http(shared_server: LiveServer) -> Iterator[httpx.Client]:
    with shared_server.client() as client:
        yield client


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return str(request.node.name)[:100].replace("[", "(").replace("]", ")")


def post(http: httpx.Client, name: str, **body: Any) -> dict[str, Any]:
    answer = http.post(f"/api/v1/datasets/{name}/versions", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def get(http: httpx.Client, path: str, **params: Any) -> Any:
    answer = http.get(f"/api/v1/datasets/{path}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(answer: httpx.Response, status: int, says: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    problem = answer.json()
    assert problem["status"] == status
    assert says in problem["detail"], problem
    assert "Traceback" not in answer.text


def rows(*numbers: int) -> list[dict[str, Any]]:
    return [{"inputs": {"n": n}, "expected": str(n), "split": "ab"[n % 2]} for n in numbers]


def test_versions_are_made_listed_and_read(http: httpx.Client, name: str) -> None:
    write = {"id": new_id(), "base": 0, "examples": rows(1, 2, 3), "message": "m", "author": "ada"}
    first = post(http, name, **write)
    assert post(http, name, **write) == first
    assert (first["number"], first["example_count"], first["splits"]) == (1, 3, {"a": 1, "b": 2})
    second = post(http, name, put=[{"n": 4}], remove=[], base=1)
    assert (second["number"], second["added"], second["base"]) == (2, 1, 1)
    summary = get(http, name)
    assert summary["latest"] == second
    assert summary["version_count"] == 2
    assert [one["number"] for one in get(http, f"{name}/versions")["versions"]] == [2, 1]
    assert get(http, f"{name}/versions/latest") == get(http, f"{name}/versions/2") == second
    found = get(http, f"{name}/versions/1/examples", query="split:b", limit=1)
    assert found["examples"][0]["example"]["inputs"] == {"n": 1}
    rest = get(http, f"{name}/versions/1/examples", query="split:b", cursor=found["next"])
    assert [one["position"] for one in rest["examples"]] == [3]
    assert name in [one["name"] for one in get(http, "", text=name.upper())["datasets"]]
    diff = get(http, f"{name}/diff", **{"from": 1})
    assert (diff["added"], diff["unchanged"]) == (1, 3)
    assert diff["changes"][0]["after"]["inputs"] == {"n": 4}
    would = http.delete(f"/api/v1/datasets/{name}", params={"dry_run": "true"}).json()
    assert (would["version_count"], would["example_count"]) == (2, 4)
    assert get(http, name) == summary
    assert http.delete(f"/api/v1/datasets/{name}").json() == would
    refused(http.get(f"/api/v1/datasets/{name}"), 404, "no dataset")


def test_added_rows_never_take_the_place_of_others(http: httpx.Client, name: str) -> None:
    first = post(http, name, add=[{"n": 1}, {"n": 1}])
    assert (first["number"], first["example_count"]) == (1, 2)
    post(http, name, add=[{"n": 1, "expected": "another"}], base=1)
    post(http, name, add=[{"id": "mine", "n": 5}, {"id": "mine", "n": 6}])
    found = [one["example"] for one in get(http, f"{name}/versions/3/examples")["examples"]]
    own = found[0]["id"]
    assert [one["id"] for one in found] == [own, f"{own}-2", f"{own}-3", "mine", "mine-2"]
    refused(
        http.post(f"/api/v1/datasets/{name}/versions", json={"add": [{"n": 9}], "base": 1}),
        409,
        "newer version",
    )


def test_examples_may_come_ahead_of_their_version(http: httpx.Client, name: str) -> None:
    sent = [Example(id=str(n), inputs={"n": n}) for n in range(300)]
    body = {"examples": [{"id": one.id, "inputs": one.inputs} for one in sent]}
    digests = http.post("/api/v1/examples", json=body).json()["digests"]
    version = post(http, name, digests=digests)
    assert version["version"] == Dataset(examples=sent).version


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "parquet"])
def test_a_file_is_read_back_as_it_was_written(http: httpx.Client, name: str, kind: str) -> None:
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    examples = [
        *rows(1, 2),
        {"id": "x", "inputs": {"text": HOSTILE, "deep": {"a": [1, None]}}, "metadata": {"ü": "\n"}},
        {"inputs": {"n": 1.5}, "gold_documents": {"d": 2}, "trace_id": "c" * 32},
    ]
    version = post(http, name, examples=examples)
    path = f"/api/v1/datasets/{name}/versions/1/export"
    exported = http.get(path, params={"format": kind})
    assert exported.status_code == 200
    assert exported.headers["content-disposition"].startswith("attachment;")
    assert "sandbox" in exported.headers["content-security-policy"]
    target = f"/api/v1/datasets/{name} copy/import"
    imported = http.post(target, params={"format": kind}, content=exported.content).json()
    assert imported["version"] == version["version"]
    part = http.get(path, params={"format": kind, "split": "a"}).content
    again = http.post(target, params={"format": kind}, content=part).json()
    assert again["example_count"] == 1


def test_a_spreadsheet_is_given_no_formulas(http: httpx.Client, name: str) -> None:
    bad = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "fine"]
    post(http, name, examples=[{"inputs": {"text": text}} for text in bad])
    path = f"/api/v1/datasets/{name}/versions/1/export"
    plain = http.get(path, params={"format": "csv"}).text
    safe = http.get(path, params={"format": "csv", "spreadsheet": "true"}).text
    column = [row["inputs.text"] for row in csv.DictReader(io.StringIO(plain, newline=""))]
    assert column == bad
    column = [row["inputs.text"] for row in csv.DictReader(io.StringIO(safe, newline=""))]
    assert column == [f"'{text}" for text in bad[:-1]] + ["fine"]


def test_files_that_cannot_be_read_name_their_lines(http: httpx.Client, name: str) -> None:
    def send(kind: str, content: bytes, **params: str) -> httpx.Response:
        target = f"/api/v1/datasets/{name}/import"
        return http.post(target, params={"format": kind, "file": "f", **params}, content=content)

    refused(send("csv", b"q,n:json\na,1\nb,{\nc,2,3\n"), 400, "f, line 3, n:json: not JSON")
    refused(send("csv", b"q,n:json\na,1\nb,{\nc,2,3\n"), 400, "f, line 4: a row has more cells")
    refused(send("csv", b'q\n"open\n\nx'), 400, "f, line")
    refused(send("csv", b"q,q\n1,2\n"), 400, "two columns are called 'q'")
    refused(send("csv", b"q\n\xff\xfe\n"), 400, "line 2: the text is not UTF-8")
    refused(send("jsonl", b'{"inputs": {}}\n[1]\n'), 400, "f, line 2: a row must be a JSON object")
    refused(send("jsonl", b"[" * 100_000), 400, "line 1: not JSON")
    refused(send("json", b"{}"), 400, "must hold a JSON list")
    refused(send("jsonl", b""), 400, "holds no rows")
    refused(send("xls", b""), 400, "ends in none of")
    refused(send("jsonl", b'{"n": 1}', mode="merge"), 400, "neither replace nor append")
    lines = b"".join(b"x\n" for _ in range(500))
    answer = send("jsonl", lines)
    refused(answer, 400, "And 495 more")
    assert len(answer.text) < 2000
    pytest.importorskip("pyarrow")
    refused(send("parquet", b"PAR1 nonsense"), 400, "not a Parquet file")
    refused(http.get(f"/api/v1/datasets/{name}"), 404, "no dataset")


def test_a_large_upload_is_refused_clearly(http: httpx.Client, name: str) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(100):
            yield b"x" * (1 << 20)

    target = f"/api/v1/datasets/{name}/import"
    for content in (b"x" * (100 << 20), pieces()):
        try:
            answer = http.post(target, params={"format": "csv"}, content=content)
        except httpx.WriteError:  # the answer came before the body was through
            continue
        refused(answer, 413, "larger than this path takes")
    large = {"examples": [{"inputs": {"text": "x" * (2 << 20)}}]}
    refused(http.post(f"/api/v1/datasets/{name}/versions", json=large), 413, "one holds at most")


def test_what_cannot_be_is_said(http: httpx.Client, name: str) -> None:
    post(http, name, examples=rows(1, 2))
    target = f"/api/v1/datasets/{name}/versions"
    for body, status, says in [
        (b"{", 400, "not what is expected"),
        (b"[]", 400, "not what is expected"),
        (b'{"examples": [1]}', 400, "not what is expected"),
        (b"\xff", 400, ""),
        (b'{"examples": [{"inputs": {}, "metadata": [1]}]}', 400, "Row 1: metadata must be"),
        (b'{"examples": [{"inputs": {}, "gold_documents": {"a": "b"}}]}', 400, "gold_documents"),
        (b'{"base": 7, "put": [{"n": 1}]}', 409, "newer version"),
        (b'{"base": 0, "examples": []}', 409, "already"),
        (b'{"remove": ["none"]}', 404, "no example 'none'"),
        (b'{"digests": ["00000000000000000000000000000000"]}', 404, "Store it first"),
        (b"{}", 400, "Give one of"),
        (b'{"examples": ' + b"[" * 50_000, 400, ""),
    ]:
        refused(http.post(target, content=body), status, says)
    refused(http.get(target + "/x"), 400, "no version")
    refused(http.get(target + "/9"), 404, "no version 9; the newest is 1")
    refused(http.get(target + "/1/examples", params={"limit": 0}), 400, "limit=0")
    refused(http.get(target + "/1/examples", params={"cursor": "x"}), 400, "cursor")
    fault = http.get(target + "/1/examples", params={"query": "split:"})
    refused(fault, 400, "")
    assert "position" in fault.json()
    for bad in ("..", "%2e%2e", "a b ", "%00", "x.csv", "a%2Fb", "-x"):
        answer = http.post(f"/api/v1/datasets/{bad}/versions", json={"examples": []})
        assert answer.status_code in {400, 404, 405}, (bad, answer.text)


def test_a_browser_elsewhere_cannot_write(http: httpx.Client, name: str) -> None:
    post(http, name, examples=rows(1))
    headers = {"Origin": "http://evil.example"}
    for method, path in [
        ("POST", f"/api/v1/datasets/{name}/versions"),
        ("POST", f"/api/v1/datasets/{name}/import?format=csv"),
        ("DELETE", f"/api/v1/datasets/{name}"),
        ("POST", f"/datasets/{name}/delete"),
        ("POST", f"/datasets/{name}/import"),
        ("POST", "/datasets/add"),
        ("POST", "/datasets"),
    ]:
        assert http.request(method, path, headers=headers).status_code == 403, path
    assert get(http, name)["version_count"] == 1


def test_pages_show_what_strangers_wrote_as_text(http: httpx.Client, name: str) -> None:
    text = "<img src=x onerror=alert(1)>"
    examples = [
        {
            "id": text,
            "inputs": {text: text, "q": text},
            "expected": text,
            "metadata": {text: text},
            "split": text,
        }
    ]
    post(http, name, examples=examples, message=text, author=text)
    post(http, name, put=[{**examples[0], "expected": "other"}], message=text)
    for path in ("/datasets", f"/datasets/{name}", f"/datasets/{name}/diff?from=1&to=2"):
        page = http.get(path)
        assert page.status_code == 200
        assert "<img" not in page.text
        assert "&lt;img" in page.text
    refused(http.get(f"/api/v1/datasets/{name}/diff", params={"from": text}), 400, "no version")
    broken = http.get(f"/datasets/{name}", params={"query": f"split:{text}("})
    assert broken.status_code == 400
    assert "<img" not in broken.text


def test_the_description_names_every_request(http: httpx.Client) -> None:
    paths = http.get("/api/v1/openapi.json").json()["paths"]
    found = {path for path in paths if "datasets" in path or path.endswith("/examples")}
    assert len(found) == 11, found
    assert json.dumps(paths).count('"datasets"') >= 13
