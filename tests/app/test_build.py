"""When the frontend is built, and what serving it needs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

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


def wheel(sources: Path, into: Path) -> subprocess.CompletedProcess[str]:
    """Makes the wheel of the platform."""
    made = (sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation")
    command = (*made, "--wheel-dir", str(into), str(sources))
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_wheel_serves_the_built_ui_without_node(built: None, tmp_path: Path) -> None:
    done = wheel(places.ROOT, tmp_path)
    assert done.returncode == 0, done.stderr
    (file,) = tmp_path.glob("*.whl")
    with ZipFile(file) as packed:
        packed.extractall(tmp_path / "site")
    program = (
        "from amaze_app import build, places, serve; assert not build.build();"
        "serve.application(); print(places.PAGES, (places.PAGES / 'index.html').is_file())"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site"), "PATH": ""}
    said = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    installed = tmp_path / "site" / "amaze_app" / "frontend"
    assert said.stdout.splitlines()[-1:] == [f"{installed / 'ui/build/client'} True"], said.stderr


def test_there_is_no_wheel_with_the_ui_of_other_sources(tmp_path: Path) -> None:
    for name in ("amaze_app", "amaze_proxy"):
        shutil.copytree(places.ROOT / name, tmp_path / "tree" / name)
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "rxconfig.py"):
        shutil.copy2(places.ROOT / name, tmp_path / "tree")
    done = wheel(tmp_path / "tree", tmp_path)
    assert done.returncode != 0
    assert "python -m amaze_app.build" in done.stdout + done.stderr
    assert not list(tmp_path.glob("*.whl"))
