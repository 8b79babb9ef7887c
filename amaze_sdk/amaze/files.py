"""Files of the SDK: written whole or not at all, in a directory of the agent's own."""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path

log = logging.getLogger("amaze")


def write_private(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write `content` and put it in place in one step, with `mode` from the first byte on."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def usable_directory(wanted: Path) -> Path:
    """`wanted`, made if need be; a temporary directory where it cannot be written.

    A container with a read-only home still runs: it only has to enrol again at its next start.
    """
    try:
        wanted.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=wanted, prefix=".probe.")
    except OSError as error:
        log.warning("%s is not writable (%s): the credential is not kept", wanted, error.strerror)
        return Path(tempfile.mkdtemp(prefix="amaze-"))
    os.close(descriptor)
    Path(name).unlink()
    return wanted
