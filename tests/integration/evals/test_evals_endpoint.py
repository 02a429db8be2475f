"""Many judgements by an endpoint that is slow, limited and sometimes broken."""

import random
import re
from collections import Counter
from typing import Any

import pytest

import pellucid
from pellucid.demo.model_server import Fault, ModelRequest, Rule, ScriptedModelServer
from pellucid.evals.models import OpenAIModel

EXAMPLES = 120
DATA = [{"inputs": {"n": n}, "expected": str(n % 3)} for n in range(EXAMPLES)]
LABELS = ["incorrect", "partly_correct", "correct"]


def agent(n: int) -> str:
    return str(n % 2)


def judged(request: ModelRequest) -> str:
    expected, answer = re.findall(r"answer>\n(\d+)\n</", request.text)[:2]
    if answer == "1" and expected == "2":
        return '{"rationale": "hard to say"}'  # no valid answer, now nor when asked again
    return f'{{"rationale": "{answer}/{expected}", "choice": "{LABELS[2 * (answer == expected)]}"}}'


def now_and_then(share: float, seed: int) -> Any:
    """Strike a share of the requests, each only when it comes first."""
    struck: Counter[str] = Counter()
    generator = random.Random(seed)

    def when(body: dict[str, Any]) -> bool:
        key = str(body["messages"])
        struck[key] += 1
        return struck[key] == 1 and generator.random() < share

    return when


@pytest.fixture
def server() -> Any:
    faults = [
        Fault(status=429, retry_after_s=0.01, when=now_and_then(0.1, 1), times=None),
        Fault(status=500, when=now_and_then(0.05, 2), times=None),
        Fault(disconnect_after=0, when=now_and_then(0.05, 3), times=None),
    ]
    with ScriptedModelServer([Rule(judged)], faults=faults, latency_s=0.02) as running:
        yield running


def test_figures_are_exact_in_spite_of_faults(server: ScriptedModelServer) -> None:
    model = OpenAIModel("judge", base_url=server.base_url, backoff_s=0.01)
    judge = pellucid.judges.correctness(model=model)
    report = pellucid.evaluate(agent, DATA, [judge], concurrency=16)

    pairs = Counter((n % 2, n % 3) for n in range(EXAMPLES))
    refused = pairs[1, 2]
    right = sum(count for (answer, expected), count in pairs.items() if answer == expected)
    score = report.scores["correctness"]
    assert (score.n, score.failures) == (EXAMPLES - refused, refused)
    assert score.mean == pytest.approx(right / (EXAMPLES - refused))
    failed = [e for e in report.examples if e.scores["correctness"].error]
    assert {(e.output, e.expected) for e in failed} == {("1", "2")}
    assert "hard to say" in str(failed[0].scores["correctness"].error)
    statuses = Counter(call.status for call in server.log)
    assert statuses[429] > 0
    assert statuses[500] > 0
    assert statuses[0] > 0
    # Every question was answered 200 once; those that could not be read were repaired once.
    assert statuses[200] == EXAMPLES + refused


def test_a_rate_limit_holds_for_judges_too() -> None:
    with ScriptedModelServer(lambda request: '{"rationale": "", "choice": "correct"}') as server:
        judge = pellucid.judges.correctness(model=OpenAIModel("j", base_url=server.base_url))
        report = pellucid.evaluate(None, OUTPUTS, [judge], rate_limit="1200/m", concurrency=8)
        times = sorted(call.started_ns for call in server.log)
    assert report.calls == len(OUTPUTS)
    assert (times[-1] - times[0]) / 1e9 >= 0.7 * (len(OUTPUTS) - 1) / 20


OUTPUTS = [{"inputs": {"n": n}, "output": "x", "expected": "x"} for n in range(10)]
