"""The agent's credential between two runs: one file that only its owner can read.

The file holds the credential alone, so that `amaze run` and this SDK can share it. Beside it
stands which orchestrator issued it: it is never shown to another one.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from amaze.files import write_private
from amaze.settings import CREDENTIAL, Origin

_MAX_FILE = 4096  # bytes


def remember(directory: Path, agent_id: str, orchestrator: Origin, credential: str) -> None:
    """Keep `credential` for the next start. Raises OSError if the directory is not writable."""
    write_private(_credential_file(directory, agent_id), credential.encode() + b"\n")
    write_private(_issuer_file(directory, agent_id), orchestrator.url.encode() + b"\n")


def recall(directory: Path, agent_id: str, orchestrator: Origin) -> str | None:
    """The credential of the last run, or None: no file, not a private one, another issuer's."""
    issuer = _read_private(_issuer_file(directory, agent_id))
    if issuer is not None and issuer != orchestrator.url:
        return None
    credential = _read_private(_credential_file(directory, agent_id))
    return credential if credential and CREDENTIAL.fullmatch(credential) else None


def _read_private(path: Path) -> str | None:
    """The file's text. One that others can read or write is not trusted: it may not be ours."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return None
    with open(descriptor, "rb") as file:
        if not _is_private(os.fstat(descriptor)):
            return None
        return file.read(_MAX_FILE).decode("ascii", "replace").strip()


def _is_private(status: os.stat_result) -> bool:
    mode = status.st_mode
    return stat.S_ISREG(mode) and not mode & 0o077 and status.st_uid == os.geteuid()


def _credential_file(directory: Path, agent_id: str) -> Path:
    return directory / f"{agent_id}.cred"


def _issuer_file(directory: Path, agent_id: str) -> Path:
    return directory / f"{agent_id}.issuer"
