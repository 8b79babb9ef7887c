"""Where the UI's sources are, and where the built UI is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

_INSTALLED = Path(__file__).resolve().parent / "frontend"
"""What a wheel has, and a checkout has not: the built UI, and Reflex's configuration."""

ROOT = _INSTALLED if _INSTALLED.is_dir() else _INSTALLED.parent.parent
"""Where rxconfig.py is; in a checkout, the sources."""

STAGE = ROOT / "build" / "ui-stage"
"""Where Reflex builds: it leaves its own files in whatever directory it runs in."""

BUILT = ROOT / "ui" if _INSTALLED.is_dir() else ROOT / "build" / "ui"
"""The built UI, all that is needed to serve it."""

PAGES = BUILT / "build" / "client"
LOCK = "reflex.lock"
_STAMP = BUILT / "sources.sha256"
_SOURCES = ("amaze_app", "assets", LOCK)


def digest() -> str:
    """The SHA-256 of everything that the build depends on."""
    found = hashlib.sha256(version("reflex").encode())
    for path in _sources():
        content = path.read_bytes()
        found.update(f"\n{path.relative_to(ROOT).as_posix()} {len(content)}\n".encode())
        found.update(content)
    return found.hexdigest()


def built() -> str:
    """The digest of the sources that the present build was made of; "" without a build."""
    try:
        return _STAMP.read_text("ascii").strip()
    except OSError:
        return ""


def fresh() -> bool:
    """Whether the build is of these sources; a wheel was made with the one that is."""
    return _INSTALLED.is_dir() or built() == digest()


def stamp(directory: Path, value: str) -> None:
    """Marks a build with its sources' digest."""
    (directory / _STAMP.name).write_text(value + "\n", "ascii")


def _sources() -> Iterator[Path]:
    yield ROOT / "rxconfig.py"
    for name in _SOURCES:
        for path in sorted((ROOT / name).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path
