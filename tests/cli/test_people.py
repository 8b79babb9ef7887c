"""Signing in from the command line: what is kept, for whom, and what is shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from amaze_proxy.cli.credentials import login_file, signed_in
from amaze_proxy.settings import Settings

ANN = {"name": "ann", "role": "operator", "via": "session", "must_change_password": False}


@pytest.fixture(autouse=True)
def no_preset_key(amaze, monkeypatch) -> None:
    monkeypatch.delenv("AMAZE_ADMIN_KEY")


def test_a_session_is_kept_for_its_control_plane_and_used_by_every_verb(
    amaze, control, tmp_path: Path
) -> None:
    control.answer("POST /auth/login", {"token": "ams_1", "must_change_password": False})
    control.answer("GET /auth/me", ANN)
    (tmp_path / "admin.key").write_text("amk_first")
    done = amaze("login", "ann", "--json", stdin="pass word\n")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == ANN
    assert "pass word" not in done.output
    assert control.asked[0].json == {"name": "ann", "password": "pass word"}
    assert "authorization" not in control.asked[0].headers
    assert login_file(tmp_path).stat().st_mode & 0o777 == 0o600
    control.answer("GET /agents", {"agents": [], "next": None})
    amaze("agents", "list")
    assert control.last.headers["authorization"] == "Bearer ams_1"
    other = Settings(control_port=1, data_dir=tmp_path)
    assert signed_in(other) == ""
    control.answer("POST /auth/logout", b"", 204)
    assert json.loads(amaze("logout", "--json").stdout) == {"signed_out": True}
    assert control.last.path == "/auth/logout"
    assert not login_file(tmp_path).exists()
    assert "nobody was signed in" in amaze("logout").stdout


def test_a_password_that_was_made_is_changed_at_once(amaze, control, tmp_path: Path) -> None:
    tokens = iter((("ams_1", True), ("ams_2", False)))

    def opened(_asked: object) -> object:
        token, must_change = next(tokens)
        return {"token": token, "must_change_password": must_change}

    control.answer("POST /auth/login", opened)
    control.answer("POST /auth/password", b"", 204)
    control.answer("GET /auth/me", ANN)
    done = amaze("login", "ann", stdin="made\nbrand new\n")
    assert done.exit_code == 0, done.output
    changed = control.asked[1]
    assert changed.json == {"old": "made", "new": "brand new"}
    assert changed.headers["authorization"] == "Bearer ams_1"
    assert control.asked[2].json == {"name": "ann", "password": "brand new"}
    assert control.last.headers["authorization"] == "Bearer ams_2"
    assert json.loads(login_file(tmp_path).read_text())["token"] == "ams_2"


def test_with_an_api_key(amaze, control, tmp_path: Path) -> None:
    control.answer("GET /auth/me", {**ANN, "via": "amk_0a"})
    assert amaze("login", "--key", stdin=" amk_0a.secret \n").exit_code == 0
    assert control.last.headers["authorization"] == "Bearer amk_0a.secret"
    assert "amk_0a" in amaze("whoami").stdout
    assert amaze("logout").exit_code == 0  # there is no session to end: 404 here
    assert not login_file(tmp_path).exists()


def test_what_is_refused_is_not_kept(amaze, control, tmp_path: Path, monkeypatch) -> None:
    control.answer("POST /auth/login", {"detail": "name or password is wrong"}, 401)
    done = amaze("login", "ann", stdin="guess\n")
    assert (done.exit_code, "name or password is wrong" in done.stderr) == (1, True)
    assert not login_file(tmp_path).exists()
    monkeypatch.setenv("AMAZE_ADMIN_KEY", "amk_preset")
    assert "unset it" in amaze("login", "ann").stderr


@pytest.mark.parametrize("kept", ["", "no json", "[]", "{}", '{"control": 1, "token": "t"}'])
def test_a_file_that_is_none_is_nobody(tmp_path: Path, kept: str) -> None:
    login_file(tmp_path).write_text(kept)
    assert signed_in(Settings(data_dir=tmp_path)) == ""
