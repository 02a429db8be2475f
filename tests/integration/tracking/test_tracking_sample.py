"""The sample of the documentation, as written."""

import time

from pellucid.core.ids import new_id
from pellucid.testing.live import LiveServer
from pellucid.testing.project import Project

SAMPLE = """
import pellucid
from PIL import Image

pellucid.init(experiment="bluray-agent")
image = Image.new("RGB", (20, 30), "teal")

with pellucid.start_run("k five", params={"k": 5}, tags={"idea": "rerank"}) as run:
    pellucid.log_metric("accuracy", 0.81, step=1)
    pellucid.log_image(image, key="stack", prompt="a stack of discs", step=1)
best = pellucid.search_runs("metric.accuracy>0.8 param.k:5", experiment="bluray-agent", order="metric.accuracy desc")[0]
print(best.id, best.number, best.status, best.params["k"], best.metrics["accuracy"], best.snapshot_id)
pellucid.restore(best, to="run-12"); print(pellucid.diff("bluray-agent@12", "bluray-agent@52"))
"""  # noqa: E501 (as it is documented)


def test_the_sample_runs_as_written(project: Project, live_server: LiveServer) -> None:
    now = time.time_ns()
    with live_server.client() as http:
        earlier = [
            {
                "run_id": new_id(),
                "experiment": "bluray-agent",
                "time_ns": now + number,
                "start": {"time_ns": now + number},
                "params": [{"name": "k", "value": 4, "time_ns": now}],
                "metrics": [["accuracy", 0.5, 0, now]],
            }
            for number in range(51)
        ]
        http.post("/api/v1/runs/writes", json={"writes": earlier}).raise_for_status()
        project.write("sample.py", SAMPLE)
        out = project.run("sample.py")
        run = http.get("/api/v1/runs/resolve", params={"run": "bluray-agent@52"}).json()
        images = http.get("/api/v1/images", params={"text": "DISCS stack"}).json()["artifacts"]
        picture = http.get(f"/api/v1/artifacts/{images[0]['digest']}").content
    first, *rest = out.splitlines()
    assert first.split() == [run["id"], "52", "finished", "5", "0.81", run["snapshot_id"]]
    assert "accuracy: 0.5 → 0.81 (+0.31)" in "\n".join(rest)
    assert "k: 4 → 5" in "\n".join(rest)
    assert (project.folder / "run-12" / "sample.py").read_text() == SAMPLE
    assert [(image["key"], image["step"]) for image in images] == [("stack", 1)]
    assert picture.startswith(b"\x89PNG")
