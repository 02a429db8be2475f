"""The datasets that a run used, in its snapshot and linked to the server's versions."""

from pellucid.testing.live import LiveServer
from pellucid.testing.project import Project


def test_a_snapshot_links_the_datasets_by_their_content(
    project: Project, live_server: LiveServer
) -> None:
    project.write(
        "train.py",
        """
        import pellucid
        data = pellucid.create_dataset("qa set", [{"inputs": {"question": "how tall?"}}])
        newer = data.add([{"inputs": {"question": "how wide?"}}])
        with pellucid.start_run(experiment="e") as run:
            run.log_dataset(data)
            run.log_dataset(pellucid.Dataset.from_rows([{"inputs": {"q": 1}}], name="own"))
            run.log_dataset("elsewhere", "v3")
        assert run.wait(60)
        print(run.id, data.version, newer.version)
        """,
    )
    project.commit()
    run_id, version, newer = project.run("train.py").split()
    assert version != newer
    with live_server.client() as http:
        run = http.get(f"/api/v1/runs/{run_id}").json()
        snapshot = http.get(f"/api/v1/snapshots/{run['snapshot_id']}").json()
        assert snapshot["manifest"]["datasets"]["qa set"] == version
        assert snapshot["manifest"]["datasets"]["elsewhere"] == "v3"
        found = http.get(
            "/api/v1/runs", params={"query": f'snapshot.dataset."qa set":{version}'}
        ).json()["runs"]
        assert [one["id"] for one in found] == [run_id]
        page = http.get(f"/runs/{run_id}?tab=snapshot").text
    assert '<a href="/datasets/qa%20set?version=1">version 1</a>' in page
    assert 'title="This server has no such version">v3</span>' in page
