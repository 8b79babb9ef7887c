from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from amaze_proxy.wire.ca_files import CaError, CaFiles, locked


def test_nothing_is_left_but_the_file(tmp_path: Path) -> None:
    files = CaFiles(tmp_path)
    files.write_key(b"key")
    files.write_certificate(b"certificate")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ca.key", "ca.pem"]
    assert (files.read_key(), files.read_certificate()) == (b"key", b"certificate")


def test_absent_files_are_none(tmp_path: Path) -> None:
    assert CaFiles(tmp_path).read_key() is None
    assert CaFiles(tmp_path).read_certificate() is None


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "ca.key").mkdir()
    with pytest.raises(CaError, match="cannot write"):
        CaFiles(tmp_path).write_key(b"key")
    assert [p.name for p in tmp_path.iterdir()] == ["ca.key"]


def test_the_lock_excludes_and_is_given_back(tmp_path: Path) -> None:
    with locked(tmp_path):
        descriptor = os.open(tmp_path / ".ca.lock", os.O_RDWR)
        with pytest.raises(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(descriptor)
