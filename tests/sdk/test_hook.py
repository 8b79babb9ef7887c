from __future__ import annotations

import importlib
import importlib.resources
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from amaze.patches.hook import patch_when_imported


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package that can be imported and is not yet, and no traces of it afterwards."""
    package = tmp_path / "late_library"
    package.mkdir()
    (package / "__init__.py").write_text("from late_library.part import value\n")
    (package / "part.py").write_text("value = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    finders = list(sys.meta_path)
    yield "late_library"
    sys.meta_path[:] = finders
    for name in [name for name in sys.modules if name.startswith("late_library")]:
        del sys.modules[name]


def change(module: ModuleType) -> None:
    module.value = 2  # type: ignore[attr-defined]


def test_a_module_is_patched_right_after_it_is_loaded(library: str) -> None:
    patch_when_imported({library: change})
    module = importlib.import_module(library)
    assert module.value == 2
    assert type(module.__loader__).__name__ == "SourceFileLoader"
    assert importlib.resources.files(library).joinpath("part.py").is_file()


def test_a_loaded_module_is_patched_at_once(library: str) -> None:
    module = importlib.import_module(library)
    finders = list(sys.meta_path)
    patch_when_imported({library: change})
    assert module.value == 2
    assert sys.meta_path == finders


def test_a_library_of_another_shape_is_left_alone(
    library: str, caplog: pytest.LogCaptureFixture
) -> None:
    patch_when_imported({library: lambda module: module.no_such_class.method})
    with caplog.at_level(logging.WARNING, "amaze"):
        assert importlib.import_module(library).value == 1
    assert "late_library is not patched" in caplog.text


def test_a_missing_library_stays_missing(library: str) -> None:
    patch_when_imported({"no_such_library": change})
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("no_such_library")
