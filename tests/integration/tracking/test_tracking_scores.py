import time

from pellucid.core.ids import new_id
from pellucid.core.run_paths import SENT_HEADER
from pellucid.testing.live import LiveServer


def test_a_runs_score_finds_it_also_where_it_comes_first(live_server: LiveServer) -> None:
    now, run_id = time.time_ns(), new_id()
    score = {"id": new_id(), "name": "correctness", "value": 0.9, "time_ns": now, "run_id": run_id}
    write = {
        "run_id": run_id,
        "experiment": "e",
        "time_ns": now,
        "metrics": [["cost", 0.005, 0, now]],
    }
    with live_server.client() as http:
        http.post("/api/v1/scores", json=score).raise_for_status()
        http.post("/api/v1/runs/writes", json={"writes": [write]}).raise_for_status()
        params = {"query": "metric.cost<0.01", "order": "score.correctness desc"}
        (run,) = http.get("/api/v1/runs", params=params).json()["runs"]
        assert run["scores"] == {"correctness": 0.9}
        (listed,) = http.get("/api/v1/scores", params={"run_id": run_id}).json()["scores"]
        assert listed["id"] == score["id"]
        assert http.post("/api/v1/scores", json={**score, "value": 0.1}).status_code == 409


def test_a_page_edits_name_notes_and_tags_without_a_sign_of_life(live_server: LiveServer) -> None:
    now, run_id = time.time_ns(), new_id()
    write = {
        "run_id": run_id,
        "experiment": "e",
        "time_ns": now - 10**12,
        "tags": [{"name": "idea", "value": "a", "time_ns": now}],
    }
    with live_server.client() as http:
        http.post(
            "/api/v1/runs/writes", json={"writes": [write]}, headers={SENT_HEADER: f"{now}"}
        ).raise_for_status()
        before = http.get(f"/api/v1/runs/{run_id}").json()
        assert before["status"] == "crashed"
        edit = {"name": "new", "notes": "n", "tags": {"idea": None, "best": "yes"}}
        after = http.post(f"/api/v1/runs/{run_id}/edit", json=edit).json()
        assert after == {**before, "name": "new", "notes": "n", "tags": {"best": "yes"}}
        wrong = http.post(f"/api/v1/runs/{run_id}/edit", json={"tags": {"": "x"}})
        assert wrong.status_code == 400
