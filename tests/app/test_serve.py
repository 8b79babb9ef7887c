"""The process: what it serves, and how it refuses to start."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from amaze_app import places, serve
from tests.app import web
from tests.app.conftest import Platform


def _start(directory: Path, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if "AMAZE" not in name}
    return subprocess.run(
        [sys.executable, "-m", "amaze_app.serve"],
        env={**clean, "AMAZE_DATA_DIR": str(directory), **env},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_health_is_open(platform: Platform) -> None:
    answer = web.get(f"{platform.url}/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", ["/overview", "/agents", "/ended"])
def test_a_session_opens_the_pages(platform: Platform, path: str) -> None:
    headers = {"Cookie": platform.sign_in()}
    answer = web.get(f"{platform.url}{path}", headers=headers)
    assert answer.status_code == 200
    scripts = dict(
        part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";")
    )["script-src"]
    assert "unsafe" not in scripts
    assert "sha256-" in scripts


def test_the_login_page_comes_with_all_that_it_loads(platform: Platform) -> None:
    for name in ("login.css", "tokens.css", "theme.js", "icon.svg"):
        assert web.get(f"{platform.url}/front/{name}").status_code == 200


def test_it_needs_a_store(tmp_path: Path) -> None:
    done = _start(tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("amaze: AMAZE_REDIS_URL is not set")


def test_it_needs_a_frontend_of_these_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    for digest, state in (("", "not built"), ("0" * 64, "of other sources")):
        monkeypatch.setattr(places, "built", lambda digest=digest: digest)
        with pytest.raises(serve.NotBuilt, match=f"{state}: run `make ui`"):
            serve.application()


def test_a_port_that_is_taken_is_named(built: None, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
        url = f"unix://{tmp_path}/nothing"
        done = _start(tmp_path, AMAZE_UI_PORT=port, AMAZE_REDIS_URL=url)
    assert done.returncode == 1
    assert "set AMAZE_UI_PORT" in done.stderr
