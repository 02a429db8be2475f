"""Compare two runs, as the server does it."""

import msgspec

from pellucid.client.tracking.connection import Server, api_client
from pellucid.client.tracking.run import ActiveRun
from pellucid.core.run import Run
from pellucid.core.run_diff import RunDiff


def diff(
    a: "str | Run | ActiveRun", b: "str | Run | ActiveRun", *, server: Server | None = None
) -> RunDiff:
    """Compare two runs: code, prompts, configuration, environment, data; metrics and scores.

    Each is a run, an id, a unique prefix of one, or experiment@number. `print` it, or read its
    fields. Raises NotFound.
    """
    names = {"a": a if isinstance(a, str) else a.id, "b": b if isinstance(b, str) else b.id}
    if server is not None:
        return msgspec.json.decode(server.get("/api/v1/diff", names), type=RunDiff)
    from pellucid.client.tracking.lifecycle import LONG_SETTLE_S, flush

    flush(LONG_SETTLE_S)
    client = api_client()
    try:
        return msgspec.json.decode(client.get("/api/v1/diff", names), type=RunDiff)
    finally:
        client.close()
