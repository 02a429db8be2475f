"""`python -m pellucid.demo.seed`: send bulk data to a server."""

import gzip
import json
import random
import time
import uuid
from collections.abc import Iterable
from itertools import islice
from typing import Any

import click
import httpx

from pellucid.core.settings import DEFAULT_URL
from pellucid.demo.seed import SeededTrace, long_trace, seed_traces

_SPANS_A_REQUEST = 500
_NANOSECONDS = 1_000_000_000


@click.command()
@click.option("--url", default=DEFAULT_URL, show_default=True, help="The server.")
@click.option("--traces", default=200, show_default=True, help="How many traces.")
@click.option("--long", "long_spans", default=0, help="Add one trace of so many spans.")
@click.option("--days", default=7, show_default=True, help="Over how many days they spread.")
@click.option("--seed", default=7, show_default=True, help="Another seed gives other traces.")
@click.option("--end", help="End of the time span in Unix seconds.  [default: now]", type=int)
@click.option("--scores/--no-scores", default=True, help="Score two thirds of the traces.")
@click.option("--api-key", envvar="PELLUCID_API_KEY", help="The server's key.")
def main(
    url: str,
    traces: int,
    long_spans: int,
    days: int,
    seed: int,
    end: int | None,
    scores: bool,
    api_key: str | None,
) -> None:
    """Send traces of made-up agents to a server."""
    end_ns = (end or int(time.time())) * _NANOSECONDS
    made = list(seed_traces(traces, end_ns=end_ns, seed=seed, days=days))
    if long_spans:
        made.append(long_trace(long_spans, end_ns=end_ns, seed=seed))
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    with httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False) as client:
        try:
            spans = send_traces(client, made)
            scored = send_scores(client, made, seed) if scores else 0
        except httpx.HTTPError as error:
            raise click.ClickException(f"{url} did not take the data: {error}") from error
    click.echo(f"Sent {len(made):,} traces with {spans:,} spans and {scored:,} scores to {url}")
    if long_spans:
        click.echo(f"The long one: {url.rstrip('/')}/traces/{made[-1].trace_id}")


def send_traces(client: httpx.Client, traces: Iterable[SeededTrace]) -> int:
    """Post traces as OTLP/JSON and return how many spans there were; raises httpx.HTTPError."""
    total = 0
    batch: list[dict[str, Any]] = []
    held = 0
    for trace in traces:
        batch.append(trace.otlp())
        held += len(trace.spans)
        total += len(trace.spans)
        if held >= _SPANS_A_REQUEST:
            _post_spans(client, batch)
            batch, held = [], 0
    if batch:
        _post_spans(client, batch)
    return total


def send_scores(client: httpx.Client, traces: Iterable[SeededTrace], seed: int) -> int:
    """Score two thirds of the traces, near their quality; returns how many scores there were."""
    rng = random.Random(seed)
    scores = [s for trace in traces if rng.random() < 0.67 for s in _scores_of(trace, rng)]
    remaining = iter(scores)
    while batch := list(islice(remaining, _SPANS_A_REQUEST)):
        client.post("/api/v1/scores", json=batch).raise_for_status()
    return len(scores)


def _post_spans(client: httpx.Client, resource_spans: list[dict[str, Any]]) -> None:
    body = gzip.compress(json.dumps({"resourceSpans": resource_spans}).encode(), 1)
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    client.post("/v1/traces", content=body, headers=headers).raise_for_status()


def _scores_of(trace: SeededTrace, rng: random.Random) -> list[dict[str, Any]]:
    end_ns = max(span.end_ns for span in trace.spans)

    def score(name: str, value: float | bool, source: str, author: str) -> dict[str, Any]:
        return {
            "id": uuid.UUID(int=rng.getrandbits(128), version=4).hex,
            "trace_id": trace.trace_id,
            "name": name,
            "value": value,
            "source": source,
            "author": author,
            "time_ns": end_ns + rng.randrange(_NANOSECONDS),
        }

    quality = min(1.0, max(0.0, trace.quality + rng.gauss(0, 0.08)))
    scores = [score("relevance", round(quality, 2), "MODEL", "judge relevance v3")]
    if rng.random() < 0.5:
        scores.append(score("concise", rng.random() < 0.8, "CODE", "max_words"))
    if rng.random() < 0.15:
        scores.append(score("good", trace.quality > 0.6, "HUMAN", rng.choice(["mira", "jonas"])))
    return scores


if __name__ == "__main__":
    main()
