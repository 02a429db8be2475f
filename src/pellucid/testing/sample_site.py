"""A real server that holds one trace of each sort, for tests that look at pages."""

from dataclasses import dataclass, field

from pellucid.testing.live import LiveServer
from pellucid.testing.sample_traces import Sample, bluray_trace, hostile_trace, large_trace


@dataclass
class Site:
    """One server and the traces that it was sent."""

    server: LiveServer
    bluray: Sample = field(default_factory=bluray_trace)
    failed: Sample = field(default_factory=lambda: bluray_trace(age_s=400, fails=True))
    large: Sample = field(default_factory=lambda: large_trace(5_000))
    hostile: Sample = field(default_factory=hostile_trace)

    def fill(self) -> None:
        """Send the samples."""
        for sample in (self.failed, self.large, self.hostile, self.bluray):
            self.send(sample)

    def send(self, sample: Sample) -> None:
        """Send one trace as OTLP."""
        with self.server.client() as client:
            answer = client.post("/v1/traces", json=sample.request())
        assert answer.status_code == 200, answer.text
        assert answer.json() == {}

    def url(self, sample: Sample, suffix: str = "") -> str:
        """Return the address of a trace's page."""
        return f"{self.server.url}/traces/{sample.trace_id}{suffix}"

    def span_id(self, sample: Sample, name: str) -> str:
        """Return the id of the last span of a name."""
        return str(next(s["spanId"] for s in reversed(sample.spans) if s["name"] == name))

    def spans_with_error(self, sample: Sample) -> list[str]:
        """Return the ids of the failed spans, in order."""
        return [str(span["spanId"]) for span in sample.spans if span["status"]["code"] == 2]
