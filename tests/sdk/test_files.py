from __future__ import annotations

from pathlib import Path

import pytest
from amaze.files import state_directory, write_private


def test_a_file_is_replaced_whole_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("before")
    path.chmod(0o666)
    write_private(path, b"after")
    assert path.read_bytes() == b"after"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_put_in_place_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        write_private(tmp_path / "taken", b"content")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_the_state_directory_is_the_owners_alone(tmp_path: Path) -> None:
    with state_directory(tmp_path / "a" / "b") as directory:
        assert directory == tmp_path / "a" / "b"
        assert directory.stat().st_mode & 0o777 == 0o700
    assert not list(directory.iterdir())


def test_a_directory_that_cannot_be_written_is_replaced_for_the_time(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with state_directory(tmp_path / "file" / "state") as directory:
        write_private(directory / "one.cred", b"x")
    assert not directory.exists()
