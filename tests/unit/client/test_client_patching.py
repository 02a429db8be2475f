"""Patches replace, pass through, and go away without a trace."""

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pellucid.client.patching import Patch, Undo, patch_all, when_imported

SOURCE = """
def free(x):
    return x

class Base:
    def inherited(self, a: int, b: int = 2) -> int:
        return a + b
    @staticmethod
    def static(a):
        return a
    @classmethod
    def of(cls, a):
        return (cls.__name__, a)

class Child(Base):
    pass
"""


def plus_one(original: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        return result + 1 if isinstance(result, int) else (*result, 1)

    return wrapper


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "patched_thing.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    yield "patched_thing"
    sys.modules.pop("patched_thing", None)


def test_every_kind_of_callable_is_replaced_and_restored(module: str) -> None:
    thing: Any = importlib.import_module(module)
    before = {
        name: dict(vars(owner)) for name, owner in vars(thing).items() if inspect.isclass(owner)
    }
    free = thing.free
    undo = patch_all(
        Patch(f"{module}:free", plus_one),
        Patch(f"{module}:Base.static", plus_one),
        Patch(f"{module}:Base.of", plus_one),
        Patch(f"{module}:Child.inherited", plus_one),
    )
    assert thing.free(1) == 2
    assert thing.Base.static(1) == 2
    assert thing.Base.of(3) == ("Base", 3, 1)
    assert thing.Child().inherited(1) == 4
    assert thing.Base().inherited(1) == 3
    assert str(inspect.signature(thing.Child.inherited)) == "(self, a: int, b: int = 2) -> int"
    undo()
    undo()
    assert thing.free is free
    for name, attributes in before.items():
        assert dict(vars(getattr(thing, name))) == attributes


def test_a_missing_required_target_leaves_nothing_patched(module: str) -> None:
    thing: Any = importlib.import_module(module)
    free = thing.free
    with pytest.raises(AttributeError):
        patch_all(Patch(f"{module}:free", plus_one), Patch(f"{module}:gone", plus_one))
    assert thing.free is free
    patch_all(Patch(f"{module}:gone", plus_one, required=False))()


def test_what_stands_for_a_module_keeps_its_own_attributes(module: str) -> None:
    thing: Any = importlib.import_module(module)
    thing.inner = importlib.import_module("json")

    class Stand:
        def dumps(self, value: Any) -> str:
            return "mine"

    stand: Any = Stand()
    undo = patch_all(Patch(f"{module}:inner", lambda original: stand))
    assert thing.inner.dumps(1) == "mine"
    undo()
    assert thing.inner.dumps(1) == "1"


def test_a_wrapper_around_ours_stays(module: str) -> None:
    thing: Any = importlib.import_module(module)
    undo = patch_all(Patch(f"{module}:free", plus_one))
    ours = thing.free
    thing.free = lambda x: ours(x)
    theirs = thing.free
    undo()
    assert thing.free is theirs


def test_an_action_runs_when_the_module_is_imported(module: str) -> None:
    seen: list[str] = []
    when_imported(module, lambda: seen.append("first"))
    forget = when_imported(module, lambda: seen.append("forgotten"))
    forget()
    assert not seen
    thing: Any = importlib.import_module(module)
    assert seen == ["first"]
    assert type(thing.__spec__.loader).__name__ == "SourceFileLoader"
    when_imported(module, lambda: seen.append("now"))
    assert seen == ["first", "now"]


def test_an_action_that_fails_does_not_disturb_the_import(
    module: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise RuntimeError("no")

    when_imported(module, fail)
    assert importlib.import_module(module).free(1) == 1
    assert "could not trace patched_thing" in caplog.text


def test_undo_runs_all_steps_in_reverse(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[int] = []

    def fail() -> None:
        raise RuntimeError("no")

    undo = Undo(lambda: seen.append(1), fail, lambda: seen.append(3))
    undo()
    assert seen == [3, 1]
    assert "could not undo" in caplog.text
