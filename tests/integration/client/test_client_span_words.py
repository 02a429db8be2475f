import json
import time

import pellucid
from pellucid.testing.collector import Collector


def test_a_streamed_model_call_by_hand(traced: Collector) -> None:
    tool = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
    with pellucid.span("llm", kind="LLM") as span:
        span.set_tools([tool])
        time.sleep(0.02)
        span.set_first_token()
        time.sleep(0.2)
        span.set_first_token().set_finish_reason("stop").set_finish_reason(None)
    assert pellucid.flush(60)
    llm = {one.name: one for one in traced.spans()}["llm"]
    found = llm.attributes
    assert json.loads(str(found["gen_ai.tool.definitions"])) == [tool]
    assert found["gen_ai.response.finish_reasons"] == ["stop"]
    waited = int(str(found["pellucid.ttft_ns"]))
    assert 15_000_000 <= waited <= llm.duration_ns - 150_000_000  # the first call told it


def test_they_do_nothing_where_nothing_is_traced() -> None:
    with pellucid.span("llm", kind="LLM") as span:
        span.set_tools([1, object()]).set_first_token().set_finish_reason("stop")
    assert not span.is_recording
