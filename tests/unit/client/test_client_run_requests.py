"""What one odd value costs a run's requests: nothing else, and the caller hears of it."""

from typing import Any

import msgspec
import pytest

from pellucid.client.tracking import outbox
from pellucid.client.tracking.outbox import RunQueue, as_write, split_write
from pellucid.client.tracking.run import ActiveRun
from pellucid.core.errors import InvalidInput
from pellucid.core.run import ParamWrite, RunEnd, RunStatus, RunWrite, TagWrite
from pellucid.core.run_limits import check_write
from pellucid.core.run_views import RunWriteRequest

RUN = "0190a" + "0" * 27


class Pieces:
    """In the place of an outbox: keeps what would be sent."""

    def __init__(self) -> None:
        self.kept: list[Any] = []

    def add(self, queue: RunQueue, piece: Any) -> None:
        self.kept.append(piece)

    def add_metric(self, queue: RunQueue, point: Any) -> None:
        self.kept.append(point)


@pytest.fixture
def pieces() -> Pieces:
    return Pieces()


@pytest.fixture
def run(pieces: Pieces) -> ActiveRun:
    held: Any = pieces
    return ActiveRun(RUN, "e", name="", outbox=held, url="")


@pytest.mark.parametrize("time_ns", [-5, 2**64, "x", 1.5])
def test_a_time_that_is_none_is_refused_in_the_call(
    run: ActiveRun, pieces: Pieces, time_ns: Any
) -> None:
    with pytest.raises(InvalidInput, match="is not a time"):
        run.log_metric("loss", 1.0, time_ns=time_ns)
    with pytest.raises(InvalidInput, match="is not a time"):
        run.log_metrics({"loss": 1.0}, time_ns=time_ns)
    assert pieces.kept == []


def test_whatever_is_logged_a_server_takes(run: ActiveRun, pieces: Pieces) -> None:
    holds_itself: dict[str, Any] = {"k": 5}
    holds_itself["me"] = holds_itself
    long = "long text " * 100_000
    run.log_params({"itself": holds_itself, "long": long})
    run.set_tags({"long": long, "nul": "a\0b"})
    run.set_notes(long)
    run.set_name(long)
    run.end(RunStatus.FAILED, error=long)
    write = as_write(run.queue, pieces.kept)
    check_write(write)
    assert [param.name for param in write.params] == ["itself", "long"]
    assert write.params[0].value["k"] == 5
    assert (write.tags[0].value or "").startswith("long text long")


def test_a_write_that_is_too_large_for_one_request_goes_in_several(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outbox, "_MAX_BODY_BYTES", 2000)
    params = [ParamWrite(name=f"p{i}", value="x" * 90, time_ns=1) for i in range(99)]
    tags = [TagWrite(name=f"t{i}", value="y" * 90, time_ns=1) for i in range(30)]
    end = RunEnd(time_ns=9, status=RunStatus.FINISHED)
    write = RunWrite(run_id=RUN, experiment="e", time_ns=1, params=params, tags=tags, end=end)
    bodies = [delivery.body for delivery in split_write(write, keep=True)]
    assert max(map(len, bodies)) <= 2000
    sent = [w for body in bodies for w in msgspec.json.decode(body, type=RunWriteRequest).writes]
    assert [param for one in sent for param in one.params] == params
    assert [tag for one in sent for tag in one.tags] == tags
    assert [one.end for one in sent if one.end] == [sent[-1].end] == [end]
