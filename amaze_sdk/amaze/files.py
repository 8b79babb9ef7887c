"""Files of the SDK: written whole or not at all, in a directory of the agent's own."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def state_directory(wanted: Path) -> Iterator[Path]:
    """`wanted`, made if need be; where it cannot be written, a temporary one for the block.

    A container with a read-only home still runs: it only has to enrol again at its next start.
    """
    try:
        wanted.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=wanted, prefix=".probe.")
        os.close(descriptor)
        Path(name).unlink()
    except OSError as error:
        log.warning("%s is not writable (%s): the credential is not kept", wanted, error.strerror)
        with tempfile.TemporaryDirectory(prefix="amaze-") as temporary:
            yield Path(temporary)
    else:
        yield wanted
