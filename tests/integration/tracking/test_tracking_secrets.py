"""Secrets planted everywhere in a project do not reach the store, in no form."""

import json
import random
import sqlite3
import string
from collections.abc import Iterator
from pathlib import Path

import zstandard

from pellucid.testing.live import LiveServer
from pellucid.testing.project import Project

_chance = random.Random(11)


def grown(prefix: str, length: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    return prefix + "".join(_chance.choice(alphabet) for _ in range(length)) + "7"


# Grown here, so that no scanner takes this file for a leak.
SECRETS = {
    "aws_id": grown("AKIA", 15, string.ascii_uppercase),
    "aws": grown("q", 37, string.ascii_letters + string.digits + "+/"),
    "gcp": grown("MIIEvQIBADANBgkqhki", 60),
    "github": grown("ghp_", 35),
    "slack": grown("xoxb-2837465-", 24),
    "openai": grown("sk-proj-", 60),
    "anthropic": grown("sk-ant-api03-", 80),
    "huggingface": grown("hf_", 33),
    "stripe": grown("sk_live_", 23),
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0." + grown("", 42),
    "dsn": grown("", 14),
    "yaml": grown("", 15),
    "toml": grown("", 15),
    "env": grown("", 15),
    "notebook": grown("", 15),
    "output": grown("", 15),
    "committed": grown("", 15),
    "config": grown("", 15),
    "nested": grown("", 15),
    "argparse": grown("", 15),
    "argument": grown("", 15),
    "param": grown("", 15),
    "url": grown("", 15),
    "tag": grown("", 15),
    "error": grown("ghp_", 35),
    "prompt": grown("sk-", 47),
}
AGENT = """
import argparse, dataclasses, os, sys
import pellucid

parser = argparse.ArgumentParser()
parser.add_argument("--api-key", default="{argparse}")
parser.add_argument("--token", default="")
parser.add_argument("--k", type=int, default=5)
options = parser.parse_args()
client = dict(aws_access_key_id="{aws_id}", aws_secret_access_key="{aws}")
os.environ["SLACK"] = "{slack}"
DATABASE = "postgresql://svc:{dsn}@db:5432/x"


@dataclasses.dataclass
class Config:
    k: int
    db: dict
    password: str


config = Config(k=5, db={{"dsn": "mysql://me:{nested}@db/x"}}, password="{config}")
with pellucid.start_run(params={{"api_key": "{param}", "k": 5}}, config=options) as run:
    run.log_config(config)
    run.log_param("url", "redis://:{url}@cache:6379/0")
    run.log_param("options", vars(options))
    run.set_tag("password", "{tag}")
    run.set_notes("made with {stripe}")
    run.log_prompt("answer", "Use {prompt} to answer.")
    run.log_dict({{"headers": "Authorization: Bearer {jwt}"}}, "headers.json")
    run.end("failed", error="refused: {error}")
    assert run.wait(60)
    print(run.id)
"""


def plant(project: Project) -> None:
    project.write("agent.py", "API_PASSWORD = '{committed}'\n".format(**SECRETS))
    project.write("config.yaml", "db:\n  password: {yaml}\n".format(**SECRETS))
    project.write("config.toml", '[api]\ntoken = "{toml}"\n'.format(**SECRETS))
    project.write(".env", "ANYTHING={env}\n".format(**SECRETS))
    key = f"-----BEGIN PRIVATE KEY-----\n{SECRETS['gcp']}\n-----END PRIVATE KEY-----\n"
    project.write("keys.json", json.dumps({"type": "service_account", "private_key": key}))
    project.write("server.txt", key)
    cell = {
        "cell_type": "code",
        "source": [f'client = connect(password="{SECRETS["notebook"]}")\n'],
        "outputs": [{"text": [repr({"DB_PASSWORD": SECRETS["output"], "A": "b"}) + "\n"]}],
    }
    project.write("work.ipynb", json.dumps({"cells": [cell]}))
    notes = "# Keys\n\n- {github}\n- {openai}\n- {anthropic}\n- {huggingface}\n"
    project.write("notes.md", notes.format(**SECRETS))
    project.commit()
    # What was committed differs from what runs: the snapshot has both.
    project.write("agent.py", AGENT.format(**SECRETS))


def everything_in(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield all bytes below a data folder, what is compressed also unpacked."""
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.name, path.read_bytes()
    for file in folder.glob("*.db"):
        database = sqlite3.connect(file)
        tables = [
            name
            for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        for table in tables:
            try:
                rows = database.execute(f'SELECT * FROM "{table}"').fetchall()
            except sqlite3.OperationalError:
                continue  # a virtual table of an extension
            for row in rows:
                for value in row:
                    if isinstance(value, str):
                        yield f"{file.name} {table}", value.encode()
                    elif isinstance(value, bytes):
                        yield f"{file.name} {table}", value
                        try:
                            unpacked = zstandard.ZstdDecompressor().decompressobj()
                            yield f"{file.name} {table} unpacked", unpacked.decompress(value)
                        except zstandard.ZstdError:
                            pass
        database.close()


def test_planted_secrets_do_not_reach_the_store(project: Project, live_server: LiveServer) -> None:
    plant(project)
    environment = {"DB_PASSWORD": SECRETS["env"], "OPENAI_API_KEY": SECRETS["openai"]}
    told = project.run("agent.py", "--token", SECRETS["argument"], "--k=7", **environment)
    with live_server.client() as http:
        run = http.get(f"/api/v1/runs/{told.strip()}").json()
        snapshot = http.get(f"/api/v1/snapshots/{run['snapshot_id']}").json()
        files = http.get(f"/api/v1/snapshots/{run['snapshot_id']}/files").json()["files"]
    live_server.stop()
    # The snapshot is there, with everything but the secrets.
    assert {file["path"] for file in files} >= {"agent.py", "config.yaml", "work.ipynb", "notes.md"}
    assert ".env" not in {file["path"] for file in files}
    assert snapshot["config"]["k"] == 5
    assert "OPENAI_API_KEY" in snapshot["environment"]["variables"]
    assert snapshot["manifest"]["git"]["head_tree"]
    assert run["params"]["k"] == 5
    assert "config.yaml:2 was left out" in project.stderr
    found = {
        f"{name} in {place}"
        for place, data in everything_in(live_server.data_dir)
        for name, secret in SECRETS.items()
        if secret.encode() in data
    }
    assert found == set()
