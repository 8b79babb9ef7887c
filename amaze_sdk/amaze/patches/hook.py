"""An import hook: what to do to a module right after it is loaded."""

from __future__ import annotations

import importlib.machinery
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from types import ModuleType
from typing import Any

Patch = Callable[[ModuleType], None]

log = logging.getLogger("amaze")


def patch_when_imported(patches: Mapping[str, Patch]) -> None:
    """Patch the modules that are loaded; the others when they are."""
    waiting = dict(patches)
    for name in [name for name in patches if name in sys.modules]:
        _apply(waiting.pop(name), sys.modules[name])
    if waiting:
        sys.meta_path.insert(0, _Finder(waiting))


def _apply(patch: Patch, module: ModuleType) -> None:
    try:
        patch(module)
    except AttributeError as error:
        # Another version than those we know: its calls still carry the proxy credentials.
        log.warning("%s is not patched, its calls carry no turn: %s", module.__name__, error)


class _Finder(MetaPathFinder):
    """Finds nothing itself: asks the other finders, and wraps the loader of what they found."""

    def __init__(self, patches: dict[str, Patch]) -> None:
        self._patches = patches

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in self._patches:
            return None
        for finder in sys.meta_path:
            if finder is self:
                continue
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _Loader(spec.loader, self._patches[fullname])
                return spec
        return None


class _Loader(Loader):
    """A module's own loader, with the patch after it."""

    def __init__(self, loader: Loader, patch: Patch) -> None:
        self._loader = loader
        self._patch = patch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        _apply(self._patch, module)
