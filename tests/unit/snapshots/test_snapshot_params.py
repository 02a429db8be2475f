"""Params and configuration out of whatever holds them."""

import argparse
import dataclasses
import sys
import types
from typing import Any

import pytest

from pellucid.client.snapshots.config import resolve_config
from pellucid.client.tracking.run import ActiveRun
from pellucid.core.errors import Conflict, InvalidInput


class Node:
    """As an OmegaConf node: no dict, and its values only come out of its own function."""

    def __init__(self, values: dict[str, Any], resolved: dict[str, Any]) -> None:
        self.values = values
        self.resolved = resolved


@pytest.fixture
def omegaconf(monkeypatch: pytest.MonkeyPatch) -> None:
    class OmegaConf:
        @staticmethod
        def is_config(value: object) -> bool:
            return isinstance(value, Node)

        @staticmethod
        def to_container(node: Node, *, resolve: bool) -> dict[str, Any]:
            if resolve and "broken" in node.values:
                raise ValueError("Interpolation key 'broken' not found")
            return node.resolved if resolve else node.values

    module: Any = types.ModuleType("omegaconf")
    module.OmegaConf = OmegaConf
    monkeypatch.setitem(sys.modules, "omegaconf", module)


@dataclasses.dataclass
class Settings:
    k: int = 5
    password: str = "hunter22"


def run() -> ActiveRun:
    return ActiveRun("0" * 32, "e", name="", outbox=None, url="")


def test_params_come_from_any_configuration(omegaconf: None) -> None:
    node = Node({"k": "${n}"}, {"k": 5, "db": {"password": "hunter22"}})
    for given in (argparse.Namespace(k=5), Settings(), node, {"k": 5}):
        logged = run()
        logged.log_params(given)
        with pytest.raises(Conflict):
            logged.log_param("k", 6)
    logged = run()
    logged.log_params({"settings": Settings(), "node": node})
    assert logged._params == {
        "settings": '{"k": 5, "password": "***"}',
        "node": '{"db": {"password": "***"}, "k": 5}',
    }
    nothing: Any
    for nothing in (5, "k=5", [1], object()):
        with pytest.raises(InvalidInput, match="holds no params"):
            run().log_params(nothing)


def test_what_cannot_be_resolved_is_kept_as_written(omegaconf: None) -> None:
    node = Node({"a": "${broken}", "broken": 1}, {})
    assert resolve_config({"inner": node}) == {"inner": {"a": "${broken}", "broken": 1}}
