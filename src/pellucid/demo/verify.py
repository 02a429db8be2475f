"""The check behind `pellucid demo --once`: what the agent did must be there over HTTP."""

import time
from typing import Any

import httpx

from pellucid.demo.agent import QUESTION, Answer
from pellucid.demo.run import EXPERIMENT

_DEADLINE_S = 60.0
_PAUSE_S = 0.1


def find_problems(url: str, answer: Answer) -> list[str]:
    """Return what is missing of the trace, its spans and its pages; empty if all is well."""
    with httpx.Client(base_url=url, timeout=10, trust_env=False) as client:
        try:
            detail = _wait_for_trace(client, answer.trace_id or "")
        except httpx.HTTPError as error:
            return [f"the server does not answer: {error}"]
        if detail is None:
            return [f"the trace {answer.trace_id} is not complete after {_DEADLINE_S:.0f} s"]
        checks = _Checks(client, detail, answer)
        checks.run()
        return checks.problems


def _wait_for_trace(client: httpx.Client, trace_id: str) -> dict[str, Any] | None:
    """Return the trace once its root has ended."""
    deadline = time.monotonic() + _DEADLINE_S
    while True:
        reply = client.get(f"/api/v1/traces/{trace_id}")
        if reply.status_code == 200:
            detail: dict[str, Any] = reply.json()
            if detail["trace"]["status"] in {"ok", "error"}:
                return detail
        elif reply.status_code != 404:
            reply.raise_for_status()
        if time.monotonic() > deadline:
            return None
        time.sleep(_PAUSE_S)


class _Checks:
    """Goes through one trace and notes what is not as it must be."""

    def __init__(self, client: httpx.Client, detail: dict[str, Any], answer: Answer) -> None:
        self._client = client
        self._trace = detail["trace"]
        self._spans: list[dict[str, Any]] = detail["spans"]
        self._answer = answer
        self.problems: list[str] = []

    def run(self) -> None:
        """Run every check."""
        self._check_trace()
        self._check_spans()
        self._check_picture()
        self._check_pages()

    def _expect(self, holds: object, problem: str) -> None:
        if not holds:
            self.problems.append(problem)

    def _of(self, kind: str) -> list[dict[str, Any]]:
        spans = [span for span in self._spans if span["kind"] == kind]
        self._expect(spans, f"there is no {kind} span")
        return spans

    def _check_trace(self) -> None:
        self._expect(
            self._trace["status"] == "ok", f"the trace's status is {self._trace['status']}"
        )
        self._expect(self._trace["tokens_in"] > 0, "the trace has no tokens")
        roots = [span for span in self._spans if not span["parent_id"]]
        self._expect(len(roots) == 1, f"the trace has {len(roots)} roots")
        ids = {span["span_id"] for span in self._spans}
        orphans = [s["name"] for s in self._spans if s["parent_id"] and s["parent_id"] not in ids]
        self._expect(not orphans, f"these spans have no parent: {', '.join(orphans)}")
        for root in roots[:1]:
            self._expect(root["kind"] == "AGENT", f"the root is a {root['kind']} span")
            self._expect(root["input"] == QUESTION, "the question is not the root's input")
            self._expect(root["output"] == self._answer.text, "the answer is not the root's output")

    def _check_spans(self) -> None:
        for span in self._of("LLM"):
            called = f"the LLM span {span['name']!r}"
            self._expect(span["model"], f"{called} names no model")
            self._expect(span["input_messages"], f"{called} has no input messages")
            self._expect(span["output_messages"], f"{called} has no output messages")
            self._expect(span["tokens"]["output"] > 0, f"{called} has no tokens")
        streamed = [span for span in self._of("LLM") if span["ttft_ns"]]
        self._expect(streamed, "no LLM span tells its time to first token")
        for span in self._of("RETRIEVER"):
            scored = [d for d in span["documents"] if d["text"] and d["score"] is not None]
            self._expect(scored, f"the search for {span['input']!r} has no documents with scores")
        for span in self._of("TOOL"):
            call = span["tool_call"] or {}
            told = call.get("name") and call.get("arguments") and call.get("result")
            self._expect(told, f"the tool span {span['name']!r} lacks arguments or a result")
        self._of("EMBEDDING")

    def _check_picture(self) -> None:
        if self._answer.picture is None:
            self._expect(False, "no picture was drawn")
            return
        attachments = [a for span in self._of("IMAGE") for a in span["attachments"]]
        bodies = [
            self._client.get(f"/api/v1/attachments/{a['digest']}").content for a in attachments
        ]
        self._expect(self._answer.picture in bodies, "the picture's bytes are not on the server")

    def _check_pages(self) -> None:
        experiments = self._client.get("/api/v1/experiments").json()["experiments"]
        slugs = [e["slug"] for e in experiments if e["name"] == EXPERIMENT]
        self._expect(slugs, f"the experiment {EXPERIMENT!r} is not listed")
        self._check_page("/", EXPERIMENT)
        for slug in slugs[:1]:
            self._check_page(f"/experiments/{slug}/traces", str(self._trace["trace_id"]))
        self._check_page(f"/traces/{self._trace['trace_id']}", "Blu-ray discs")

    def _check_page(self, path: str, text: str) -> None:
        reply = self._client.get(path)
        is_page = reply.headers.get("content-type", "").startswith("text/html")
        self._expect(
            reply.status_code == 200 and is_page,
            f"the page {path} answers {reply.status_code} {reply.headers.get('content-type')}",
        )
        self._expect(text in reply.text, f"the page {path} does not show {text!r}")
