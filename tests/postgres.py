"""A real PostgreSQL of the tests' own: one cluster for the run, a database for each test."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from glob import glob
from pathlib import Path

import psycopg
import pytest

from amaze_proxy.history.engine import make_engine
from amaze_proxy.history.migrate import upgrade

ON_BOTH = pytest.mark.parametrize("history_url", ["sqlite", "postgresql"], indirect=True)
"""Runs a test of the control plane on both databases."""

_TEMPLATE = "amaze_migrated"
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "autovacuum": "off",
}


class PostgresServer:
    """Listens on a socket in a directory of its own. Its texts are ordered as people order them,
    not by bytes, so that whoever relies on an order has to ask for it."""

    def __init__(self) -> None:
        self._binaries = _binaries()
        # Not pytest's own directory: the server's user must be able to reach it.
        self.directory = Path(tempfile.mkdtemp(prefix="amaze-postgres-"))
        self._user = _user()
        self._process: subprocess.Popen[bytes] | None = None
        if self._user is not None:
            os.chown(self.directory, self._user.pw_uid, self._user.pw_gid)
        self._run(
            *("initdb", "--pgdata", str(self.directory / "data"), "--username=amaze"),
            *("--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"),
            *("--locale-provider=icu", "--icu-locale=en"),
        )

    def start(self) -> None:
        settings = [f"--{name}={value}" for name, value in _SETTINGS.items()]
        place = ["-D", str(self.directory / "data"), "-k", str(self.directory)]
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", *place, *settings],
                stdout=log,
                stderr=log,
                **self._as_user(),
            )
        while not self._answers():
            if self._process.poll() is not None:
                raise AssertionError((self.directory / "log").read_text())

    def stop(self, *, crash: bool = False) -> None:
        """Cuts all connections and stops; a crash leaves its recovery to the next start."""
        assert self._process is not None
        self._process.send_signal(signal.SIGQUIT if crash else signal.SIGINT)
        self._process.wait()

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.directory)

    def url(self, database: str) -> str:
        return f"postgresql://amaze@/{database}?host={self.directory}"

    def create(self, template: str = "template1") -> str:
        """The URL of a new database."""
        name = f"test_{secrets.token_hex(6)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return self.url(name)

    def create_migrated(self) -> str:
        """The URL of a new database with the newest schema."""
        return self.create(_TEMPLATE)

    def prepare(self) -> None:
        """Make the database that migrated ones are copied from."""
        self.execute(f"CREATE DATABASE {_TEMPLATE}")
        engine = make_engine(self.url(_TEMPLATE))
        upgrade(engine)
        engine.dispose()

    def drop(self, url: str) -> None:
        name = url.partition("@/")[2].partition("?")[0]
        self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def _answers(self) -> bool:
        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _run(self, command: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._binaries / command, *arguments],
            capture_output=True,
            text=True,
            check=False,
            **self._as_user(),
        )
        assert done.returncode == 0, done.stderr

    def _as_user(self) -> dict[str, object]:
        if self._user is None:
            return {"cwd": self.directory}
        user, group = self._user.pw_uid, self._user.pw_gid
        return {"user": user, "group": group, "extra_groups": [], "cwd": self.directory}


def _binaries() -> Path:
    """Where Debian keeps the newest version, or where `initdb` is on the path."""
    kept = glob("/usr/lib/postgresql/*/bin")
    if kept:
        return Path(max(kept, key=lambda path: int(path.split("/")[4])))
    found = shutil.which("initdb")
    assert found, "the tests need PostgreSQL: run tests/prepare.sh"
    return Path(found).parent


def _user() -> pwd.struct_passwd | None:
    """Whom the server runs as: it refuses to be root. None: as we are."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]
