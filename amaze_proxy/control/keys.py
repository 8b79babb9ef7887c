"""Credentials of agents and keys of the API: made here, shown once, kept as SHA-256."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field

from amaze_proxy.control.clock import now_ms
from amaze_proxy.control.errors import KeyInvalid
from amaze_proxy.history.bundle import History
from amaze_proxy.history.keys import ApiKey
from amaze_proxy.policy.ids import AGENT_ID

ADMIN = "admin"
_CREDENTIAL = re.compile(rf"amz_(?P<agent>{AGENT_ID})\.[A-Za-z0-9_~-]{{16,200}}")
_PRESET = re.compile(r"[!-~]{8,512}")  # what one token of an Authorization header can carry


@dataclass(frozen=True, slots=True)
class Secret:
    """A new secret: `text` is for its owner alone and is not in the repr, `sha256` is kept."""

    text: str = field(repr=False)
    sha256: str


def new_credential(agent_id: str) -> Secret:
    """`amz_<agent_id>.<32 random bytes>`."""
    text = f"amz_{agent_id}.{secrets.token_urlsafe(32)}"
    return Secret(text, sha256(text))


def owner_of(credential: str) -> str | None:
    """The agent that a credential says it belongs to; None for what is no credential."""
    match = _CREDENTIAL.fullmatch(credential)
    return match["agent"] if match else None


def sha256(text: str) -> str:
    """In hex, of the UTF-8 bytes."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def same(one: str, other: str) -> bool:
    """Whether two hashes in hex are equal, in constant time."""
    return hmac.compare_digest(one, other)


async def ensure_admin_key(history: History, preset: str | None) -> str | None:
    """Sees to it that there is an admin API key; the new one when it was made just now.

    `preset` (AMAZE_ADMIN_KEY) becomes the only admin key, and is not returned. Raises KeyInvalid
    for a preset that no header could carry, HistoryUnavailable.
    """
    if preset is not None:
        if not _PRESET.fullmatch(preset):
            raise KeyInvalid("AMAZE_ADMIN_KEY must be 8 to 512 ASCII characters without spaces")
        await history.keys.put(ApiKey(sha256(preset), ADMIN, ADMIN, now_ms()))
        return None
    made = f"amk_{secrets.token_urlsafe(32)}"
    added = await history.keys.put_first(ApiKey(sha256(made), ADMIN, ADMIN, now_ms()))
    return made if added else None


async def role_of(history: History, key: str) -> str | None:
    """The role of an API key, None for an unknown one. Raises HistoryUnavailable."""
    found = await history.keys.find(sha256(key))
    if found is None or not same(found.sha256, sha256(key)):
        return None
    return found.role
