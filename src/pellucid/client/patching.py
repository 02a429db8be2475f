"""Replace attributes of other people's modules, now or when they are imported, and put them back.

    undo = patch_all(
        Patch("openai._base_client:SyncAPIClient.request", traced_request(tracer)),
    )
    undo()

A wrapper is made from the original and must behave like it: same results, exceptions, signature.
"""

import functools
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import inspect
import logging
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

_log = logging.getLogger("pellucid")

Wrap = Callable[[Callable[..., Any]], Callable[..., Any]]
"""Makes the replacement of a function from the function."""

_MISSING: Any = object()


class Undo:
    """Puts back everything that was given to it, the last first; calling it again does nothing.

    One step that fails does not keep the others from running; it is logged.
    """

    def __init__(self, *steps: Callable[[], object]) -> None:
        self._steps = list(steps)

    def add(self, step: Callable[[], object]) -> None:
        """Add a step, to run before all that were added earlier."""
        self._steps.append(step)

    def __call__(self) -> None:
        """Run the steps in reverse."""
        while self._steps:
            step = self._steps.pop()
            try:
                step()
            except Exception:
                _log.warning("Pellucid could not undo a patch", exc_info=True)


@dataclass(frozen=True)
class Patch:
    """What to replace, as `package.module:Class.attribute`, and how."""

    target: str
    wrap: Wrap
    required: bool = True
    """Whether a missing target is an error; optional ones exist in some versions only."""

    @property
    def module(self) -> str:
        """The module that the target stands in."""
        return self.target.partition(":")[0]

    def apply(self) -> Undo:
        """Replace the target in its module, which is imported if it is not yet.

        Raises AttributeError or ImportError for a target that is not there, if it is required.
        """
        module_name, _, path = self.target.partition(":")
        *owners, name = path.split(".")
        try:
            owner: Any = importlib.import_module(module_name)
            for part in owners:
                owner = getattr(owner, part)
            original = inspect.getattr_static(owner, name)
        except (ImportError, AttributeError):
            if self.required:
                raise
            return Undo()
        own = vars(owner).get(name, _MISSING)
        replacement = _wrapped(original, self.wrap)
        setattr(owner, name, replacement)
        return Undo(functools.partial(_restore, owner, name, replacement, own))


def patch_all(*patches: Patch) -> Undo:
    """Apply patches in order, all or none, and return one undo for them."""
    undo = Undo()
    try:
        for patch in patches:
            undo.add(patch.apply())
    except BaseException:
        undo()
        raise
    return undo


def _wrapped(original: Any, wrap: Wrap) -> Any:
    if isinstance(original, staticmethod):
        return staticmethod(_named(wrap(original.__func__), original.__func__))
    if isinstance(original, classmethod):
        return classmethod(_named(wrap(original.__func__), original.__func__))
    return _named(wrap(original), original)


def _named(replacement: Any, original: Any) -> Any:
    if not callable(original):
        return replacement  # a module or a value: its attributes are not the replacement's
    if getattr(replacement, "__wrapped__", None) is not original:
        functools.update_wrapper(replacement, original)
    return replacement


def _restore(owner: Any, name: str, replacement: Any, own: Any) -> None:
    current = vars(owner).get(name, _MISSING)
    if current is not replacement:
        # Somebody wrapped our wrapper: taking it out would take theirs out too, so leave it;
        # an integration that was undone makes its wrappers pass through.
        return
    if own is _MISSING:
        delattr(owner, name)  # it was inherited
    else:
        setattr(owner, name, own)


def when_imported(module: str, action: Callable[[], object]) -> Undo:
    """Run `action` now if `module` is imported, else right after its import.

    The undo forgets an action that has not run yet. An action that raises is logged and never
    disturbs the import.
    """
    loaded = sys.modules.get(module)
    if loaded is not None and not _is_initialising(loaded):
        action()
        return Undo()
    return _Finder.instance().watch(module, action)


def _is_initialising(module: ModuleType) -> bool:
    spec = getattr(module, "__spec__", None)
    return bool(getattr(spec, "_initializing", False))


class _Finder(importlib.abc.MetaPathFinder):
    """Lets the other finders find a watched module, and is told when it has been executed."""

    _instance: "_Finder | None" = None

    def __init__(self) -> None:
        self._actions: dict[str, list[Callable[[], object]]] = {}
        self._lock = threading.RLock()  # guards _actions
        self._busy = threading.local()

    @classmethod
    def instance(cls) -> "_Finder":
        if cls._instance is None:
            cls._instance = cls()
        if cls._instance not in sys.meta_path:
            sys.meta_path.insert(0, cls._instance)
        return cls._instance

    def watch(self, module: str, action: Callable[[], object]) -> Undo:
        with self._lock:
            self._actions.setdefault(module, []).append(action)
        return Undo(lambda: self._forget(module, action))

    def _forget(self, module: str, action: Callable[[], object]) -> None:
        with self._lock:
            actions = self._actions.get(module, [])
            if action in actions:
                actions.remove(action)
            if not actions:
                self._actions.pop(module, None)
            if not self._actions and self in sys.meta_path:
                sys.meta_path.remove(self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in self._actions or getattr(self._busy, "name", None) == fullname:
            return None
        self._busy.name = fullname
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._busy.name = None
        if spec is None or spec.loader is None or not hasattr(spec.loader, "exec_module"):
            return None
        spec.loader = _Loader(spec.loader, functools.partial(self._imported, fullname))
        return spec

    def _imported(self, module: str) -> None:
        with self._lock:
            actions = self._actions.pop(module, [])
        for action in actions:
            try:
                action()
            except Exception:
                _log.warning("Pellucid could not trace %s", module, exc_info=True)


class _Loader(importlib.abc.Loader):
    """The found loader, and a call after the module ran."""

    def __init__(self, loader: Any, then: Callable[[], None]) -> None:
        self._loader = loader
        self._then = then

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        # From here on the module shows the loader that really made it.
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._then()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)
