"""`amaze doctor`: each thing that can be wrong is found, and its fix is said."""

from __future__ import annotations

import json
import shutil
import socket
from email.utils import formatdate
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from amaze_proxy.cli import doctor
from amaze_proxy.settings import Settings
from amaze_proxy.wire.ca import load_or_create_ca

if TYPE_CHECKING:
    from tests.cli.conftest import Amaze, FakeControl


@pytest.fixture
def settings(control: FakeControl, tmp_path: Path) -> Settings:
    load_or_create_ca(tmp_path / "ca")
    pem = (tmp_path / "ca" / "ca.pem").read_bytes()
    control.answer("GET /ca.pem", pem)
    control.answer("GET /health", {"status": "ok", "parts": {"redis": True, "sql": "ok"}})
    control.headers["date"] = formatdate(usegmt=True)
    return Settings(data_dir=tmp_path, proxy_port=control.port, control_port=control.port)


def wrong(found: list[doctor.Finding]) -> list[tuple[str, str]]:
    assert all(finding.fix for finding in found if not finding.ok), "each has its fix"
    return [(finding.check, finding.fix) for finding in found if not finding.ok]


def test_a_healthy_platform(settings: Settings, amaze: Amaze) -> None:
    done = amaze("doctor", "--json")
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    assert {row["state"] for row in rows} == {"ok"}
    assert [row["check"] for row in rows] == [
        "disk",
        "CA",
        "CA key",
        "control API",
        "redis",
        "sql",
        "clock",
        "proxy",
    ]
    assert done.exit_code == 0
    assert "WRONG" not in amaze("doctor").stdout


def test_one_fault_is_exit_code_1(settings: Settings, amaze: Amaze, control: FakeControl) -> None:
    control.answer("GET /health", {"parts": {"redis": False}}, 503)
    assert amaze("doctor", "--json").exit_code == 1


def test_parts_that_do_not_answer(settings: Settings, control: FakeControl) -> None:
    control.answer("GET /health", {"status": "unavailable", "parts": {"redis": "down"}}, 503)
    names = [finding.check for finding in doctor.check_control(settings) if not finding.ok]
    assert names == ["control API", "redis"]
    assert wrong(doctor.check_proxy(settings))[0][1].startswith("the store does not answer")


def test_a_clock_that_is_off(settings: Settings, control: FakeControl) -> None:
    control.headers["date"] = formatdate(0, usegmt=True)
    assert wrong(doctor.check_control(settings))[0][1].startswith("set the clock")
    del control.headers["date"]
    assert not wrong(doctor.check_control(settings))


def test_nothing_listens(tmp_path: Path) -> None:
    nobody = Settings(data_dir=tmp_path, proxy_port=1, control_port=1)
    assert wrong(doctor.check_control(nobody)) == [("control API", "start it: `amaze up`")]
    assert wrong(doctor.check_proxy(nobody)) == [("proxy", "start it: `amaze up`")]


def test_something_else_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_get", lambda url: None)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        settings = Settings(data_dir=tmp_path, proxy_port=port)
        ((_, fix),) = wrong(doctor.check_proxy(settings))
    assert fix.startswith(f"another program has port {port}")


def test_a_ca_that_is_not_there_or_broken(settings: Settings) -> None:
    path = settings.data_dir / "ca" / "ca.pem"
    path.write_text("nonsense")
    assert "restore" in wrong(doctor.check_ca(settings))[0][1]
    path.unlink()
    assert "amaze up" in wrong(doctor.check_ca(settings))[0][1]


def test_another_ca_is_served(settings: Settings, control: FakeControl) -> None:
    control.answer("GET /ca.pem", b"another")
    assert "restart" in wrong(doctor.check_ca(settings))[0][1]


def test_a_ca_key_that_others_may_read_or_that_is_gone(settings: Settings) -> None:
    key = settings.data_dir / "ca" / "ca.key"
    key.chmod(0o644)
    assert wrong(doctor.check_ca(settings)) == [("CA key", f"chmod 600 {key}")]
    key.unlink()
    assert wrong(doctor.check_ca(settings)) == [("CA key", "restore it from a backup")]


def test_keys_and_database_that_are_damaged(settings: Settings) -> None:
    assert doctor.check_files(settings) == [], "what is not there yet is made"
    key, database = settings.data_dir / "turn.key", settings.data_dir / "history.db"
    key.write_bytes(bytes(32))
    database.write_bytes(b"SQLite format 3\0 and so on")
    assert doctor.check_files(settings) == []
    key.write_bytes(b"x")
    database.write_bytes(b"nonsense")
    assert [check for check, _ in wrong(doctor.check_files(settings))] == ["turn.key", "history.db"]
    database.unlink()
    database.mkdir()
    assert "cannot be read" in doctor.check_files(settings)[1].seen


def test_the_fix_stands_below_the_table(settings: Settings, amaze: Amaze) -> None:
    (settings.data_dir / "ca" / "ca.key").chmod(0o644)
    assert "\nCA key: chmod 600 " in amaze("doctor").stdout


def test_the_disk(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = Settings(data_dir=settings.data_dir / "missing")
    assert "AMAZE_DATA_DIR" in wrong(doctor.check_disk(missing))[0][1]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1))
    assert "make room" in wrong(doctor.check_disk(settings))[0][1]
