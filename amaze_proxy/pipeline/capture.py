"""What a body was: its text up to a cap, its whole size and SHA-256."""

from __future__ import annotations

import hashlib

from amaze_proxy.pipeline.secrets import redact


class Capture:
    """Fed with the bytes of one body as they pass."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._kept: list[bytes] = []
        self._room = keep
        self._sha = hashlib.sha256()
        self.size = 0

    def add(self, data: bytes) -> None:
        """Some bytes of the body, in order."""
        self.size += len(data)
        self._sha.update(data)
        if self._room > 0:
            self._kept.append(data[: self._room])
            self._room -= len(data)

    def truncated(self, most: int | None = None) -> bool:
        """Whether `text(most)` is not all of it."""
        return self.size > (self._keep if most is None else min(most, self._keep))

    @property
    def sha256(self) -> str:
        """Hex, of the whole body; empty when there was none."""
        return self._sha.hexdigest() if self.size else ""

    def text(self, most: int | None = None) -> str:
        """What is kept, or its first `most` bytes, as text, without secrets."""
        return redact(b"".join(self._kept)[:most].decode("utf-8", "replace"))
