"""When the frontend is built, and what serving it needs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from amaze_app import build, places


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sources of another UI."""
    (tmp_path / "amaze_app" / "__pycache__").mkdir(parents=True)
    (tmp_path / "rxconfig.py").write_text("config = 1")
    (tmp_path / "amaze_app" / "app.py").write_text("app = 1")
    monkeypatch.setattr(places, "ROOT", tmp_path)
    return tmp_path


@pytest.mark.parametrize("changed", ["rxconfig.py", "amaze_app/app.py", "assets/new.css"])
def test_every_source_counts(tree: Path, changed: str) -> None:
    before = places.digest()
    assert places.digest() == before
    (tree / changed).parent.mkdir(exist_ok=True)
    (tree / changed).write_text("something else")
    assert places.digest() != before


def test_what_python_leaves_behind_does_not_count(tree: Path) -> None:
    before = places.digest()
    (tree / "amaze_app" / "__pycache__" / "app.pyc").write_bytes(b"x")
    assert places.digest() == before


def test_a_build_of_the_same_sources_is_kept(built: None) -> None:
    assert build.build() is False


def test_the_build_names_no_machine_and_no_registry(built: None) -> None:
    for path in [*places.BUILT.rglob("*"), *(places.ROOT / places.LOCK).rglob("*")]:
        if path.suffix in (".html", ".js", ".json", ".css"):
            text = path.read_text("utf-8")
            assert str(places.ROOT) not in text, path
            assert '"resolved"' not in text, path


def test_node_and_npm_are_the_real_ones(tmp_path: Path) -> None:
    tools = build._node(tmp_path / "bin")
    assert (tools / "node").resolve().read_bytes()[:4] in (b"\x7fELF", b"\xcf\xfa\xed\xfe")
    environment = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    said = subprocess.run(
        [tools / "npm", "--version"], env=environment, capture_output=True, text=True, check=True
    )
    assert int(said.stdout.partition(".")[0]) >= 10
    assert build._node(tmp_path / "bin") == tools  # again, over the same links
