"""The lists of requirements that are written down twice agree."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_extra_demo_is_what_the_demos_environment_is_locked_from() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (ROOT / "requirements" / "demo.in").read_text().splitlines()
    assert project["optional-dependencies"]["demo"] == [
        line for line in lines if line and not line.startswith("#")
    ]


def test_lock_files_have_a_hash_for_each_package_and_name_no_index() -> None:
    for lock in (ROOT / "requirements").glob("*.txt"):
        blocks = lock.read_text().split("\n    # via")
        pinned = [block for block in blocks if "==" in block]
        assert pinned
        assert all("--hash=sha256:" in block for block in pinned)
        assert "://" not in lock.read_text()
