"""Passwords: argon2id, off the event loop, a few at a time."""

from __future__ import annotations

import asyncio
import base64
import secrets
import unicodedata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from amaze_proxy.control.errors import PasswordInvalid, TooManyAttempts

SHORTEST = 12
LONGEST = 256
_WAITING = 32  # each guess costs 64 MiB and some 50 ms: more than this many are turned away

# RFC 9106 §4, the second recommended option: 64 MiB, 3 passes, 4 lanes
_hasher = PasswordHasher(
    time_cost=3, memory_cost=64 * 1024, parallelism=4, hash_len=32, salt_len=16, type=Type.ID
)


def _filled(length: int) -> str:
    return base64.b64encode(bytes(length)).rstrip(b"=").decode()


# No password is known to have this hash: what an unknown name is compared with, at the same cost.
_NOBODY = f"$argon2id$v=19$m=65536,t=3,p=4${_filled(16)}${_filled(32)}"


def checked(password: str) -> str:
    """The password as it is hashed (Unicode NFKC, as NIST SP 800-63B §5.1.1.2 advises).

    Raises PasswordInvalid with the rule.
    """
    text = unicodedata.normalize("NFKC", password)
    if not SHORTEST <= len(text) <= LONGEST:
        raise PasswordInvalid(f"a password must have {SHORTEST} to {LONGEST} characters")
    return text


def generated() -> str:
    """A password to be shown once and changed: 120 random bits."""
    return secrets.token_urlsafe(15)


class Passwords:
    """Two hashes at a time: memory and cores are for the platform, not for whoever guesses."""

    def __init__(self, waiting: int = _WAITING) -> None:
        self._room = asyncio.Semaphore(2)
        self._waiting = 0
        self._most = waiting

    async def hash(self, password: str) -> str:
        """The encoded hash. Raises PasswordInvalid, TooManyAttempts."""
        text = checked(password)
        async with self._turn():
            return await asyncio.to_thread(_hasher.hash, text)

    async def matches(self, encoded: str | None, password: str) -> bool:
        """Whether it is the password of the hash; None takes as long. Raises TooManyAttempts."""
        text = unicodedata.normalize("NFKC", password[:LONGEST])
        async with self._turn():
            right = await asyncio.to_thread(_verify, encoded or _NOBODY, text)
        return right and encoded is not None

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if self._waiting >= self._most:
            raise TooManyAttempts("too many people sign in at once: try again in a moment", 1)
        self._waiting += 1
        try:
            async with self._room:
                yield
        finally:
            self._waiting -= 1


def stale(encoded: str) -> bool:
    """Whether the hash was made with other parameters than those of today."""
    return _hasher.check_needs_rehash(encoded)


def _verify(encoded: str, text: str) -> bool:
    try:
        return _hasher.verify(encoded, text)
    except (VerificationError, InvalidHashError):
        return False
