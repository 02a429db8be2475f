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
    assert pellucid.flush(10)
    found = {one.name: one for one in traced.spans()}["llm"].attributes
    assert json.loads(str(found["gen_ai.tool.definitions"])) == [tool]
    assert found["gen_ai.response.finish_reasons"] == ["stop"]
    assert 20_000_000 <= int(str(found["pellucid.ttft_ns"])) < 200_000_000


def test_they_do_nothing_where_nothing_is_traced() -> None:
    with pellucid.span("llm", kind="LLM") as span:
        span.set_tools([1, object()]).set_first_token().set_finish_reason("stop")
    assert not span.is_recording
