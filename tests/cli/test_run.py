"""`amaze run`: the credential that a program gets, up to the moment it is started."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from amaze_proxy import launch
from amaze_proxy.cli.credentials import credential_file, save_credential
from amaze_proxy.wire.ca import load_or_create_ca

if TYPE_CHECKING:
    from tests.cli.conftest import Amaze, FakeControl

TOKEN = "amz_a1.s3cret-s3cret_s3cret~x"


@pytest.fixture
def started(
    control: FakeControl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[tuple[list[str], dict[str, str]]]:
    """The programs that would have been started, with their environment."""
    load_or_create_ca(tmp_path / "served")
    control.answer("GET /ca.pem", (tmp_path / "served" / "ca.pem").read_bytes())
    calls: list[tuple[list[str], dict[str, str]]] = []

    def exec_child(argv: list[str], env: dict[str, str]) -> int:
        calls.append((argv, env))
        return 5

    monkeypatch.setattr(launch, "exec_child", exec_child)
    return calls


def register(control: FakeControl, status: str = "approved") -> None:
    control.answer("POST /register", {"bearer_token": TOKEN, "status": status}, 201)


def test_a_new_agent_is_registered_once(
    amaze: Amaze, control: FakeControl, started: list[Any], tmp_path: Path
) -> None:
    register(control)
    for _ in range(2):
        assert amaze("run", "--agent", "a1", "--", "prog", "-x").exit_code == 5
    assert [asked.path for asked in control.asked] == [
        "/ca.pem",
        "/register",
        "/ca.pem",
        "/agents/a1",
    ]
    assert [argv for argv, _ in started] == [["prog", "-x"]] * 2
    assert all(TOKEN in env["HTTP_PROXY"] for _, env in started)
    kept = credential_file(tmp_path, "a1")
    assert kept.read_text() == TOKEN
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.parent.stat().st_mode & 0o777 == 0o700


def test_a_pending_agent_is_told_what_it_waits_for(
    amaze: Amaze, control: FakeControl, started: list[Any]
) -> None:
    register(control, "pending")
    done = amaze("run", "--agent", "a1", "--", "prog")
    assert "amaze agents approve a1" in done.stderr
    assert TOKEN not in done.output
    assert len(started) == 1


def test_a_given_credential_goes_first(
    amaze: Amaze,
    control: FakeControl,
    started: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AMAZE_CREDENTIAL", "amz_a1.given-given-given-given")
    monkeypatch.setenv("AMAZE_AGENT_ID", "a1")
    amaze("run", "prog")
    assert "given-given" in started[0][1]["HTTP_PROXY"]
    assert [asked.path for asked in control.asked] == ["/ca.pem", "/agents/a1"]
    assert control.last.headers["x-amaze-bearer"] == "amz_a1.given-given-given-given"


@pytest.mark.parametrize("status", [200, 401, 403, 500])
def test_a_credential_that_will_be_refused_is_told(
    amaze: Amaze, control: FakeControl, started: list[Any], tmp_path: Path, status: int
) -> None:
    save_credential(tmp_path, "a1", TOKEN)
    control.answer("GET /agents/a1", {}, status)
    done = amaze("run", "--agent", "a1", "--", "prog")
    assert ("calls will be refused" in done.stderr) == (status in (401, 403))
    assert TOKEN not in done.output
    assert len(started) == 1


def test_a_program_that_cannot_be_started(
    amaze: Amaze, control: FakeControl, tmp_path: Path
) -> None:
    load_or_create_ca(tmp_path / "served")
    control.answer("GET /ca.pem", (tmp_path / "served" / "ca.pem").read_bytes())
    save_credential(tmp_path, "a1", TOKEN)
    done = amaze("run", "--agent", "a1", "--", "no-such-command-of-ours")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "there is no command 'no-such-command-of-ours'" in done.stderr
    (tmp_path / "text").touch(0o600)
    done = amaze("run", "--agent", "a1", "--", str(tmp_path / "text"))
    assert "cannot be executed" in done.stderr


def test_a_bad_proxy_url_and_a_ca_that_is_none(
    amaze: Amaze, control: FakeControl, started: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    register(control)
    monkeypatch.setenv("AMAZE_PROXY_URL", "nonsense")
    done = amaze("run", "--agent", "a1", "--", "prog")
    assert (done.exit_code, "AMAZE_PROXY_URL: the proxy URL must be" in done.stderr) == (1, True)
    control.answer("GET /ca.pem", b"<html>")
    assert "is no certificate" in amaze("run", "--agent", "a1", "--", "prog").stderr
    assert started == []


def test_the_enrolment_key_is_shown(
    amaze: Amaze,
    control: FakeControl,
    started: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AMAZE_ENROLL_KEY", "letmein")
    register(control)
    amaze("run", "--agent", "a1", "--", "prog")
    assert control.last.headers["x-amaze-enroll-key"] == "letmein"


@pytest.mark.parametrize(
    ("document", "says"), [({"detail": "no key"}, "no key"), (b"<html>", "<html>")]
)
def test_a_registration_that_is_refused(
    amaze: Amaze, control: FakeControl, started: list[Any], document: object, says: str
) -> None:
    control.answer("POST /register", document, 403)
    done = amaze("run", "--agent", "a1", "--", "prog")
    assert done.exit_code == 1
    assert done.stderr == f"amaze: the agent was not registered: {says}\n"
    assert started == []


def test_a_registration_that_is_cut(amaze: Amaze, control: FakeControl, started: list[Any]) -> None:
    control.answer("POST /register", None)
    done = amaze("run", "--agent", "a1", "--", "prog")
    assert done.exit_code == 1
    assert "cannot be registered" in done.stderr
    assert started == []


def test_no_control_api(
    amaze: Amaze, control: FakeControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = amaze("run", "--agent", "a1", "--", "prog")
    assert (done.exit_code, "cannot be fetched" in done.stderr) == (1, True), "404"
    monkeypatch.setenv("AMAZE_ORCHESTRATOR_URL", "http://127.0.0.1:1")
    assert "AMAZE_ORCHESTRATOR_URL" in amaze("run", "--agent", "a1", "--", "prog").stderr


@pytest.mark.parametrize("args", [("--", "prog"), ("--agent", "No Id", "--", "prog")])
def test_wrong_usage(amaze: Amaze, args: tuple[str, ...]) -> None:
    assert amaze("run", *args).exit_code == 2


def test_a_credential_is_replaced_whole(tmp_path: Path) -> None:
    save_credential(tmp_path, "a1", "one")
    save_credential(tmp_path, "a1", "two")
    assert credential_file(tmp_path, "a1").read_text() == "two"
    assert len(list((tmp_path / "agents").iterdir())) == 1
