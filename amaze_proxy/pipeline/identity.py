"""Who is calling: the credential that a request carries, as a claim for the store to check.

It comes as `X-Amaze-Bearer: amz_<agent_id>.<secret>` or as proxy credentials (RFC 7617) with the
agent id as user and the credential, or its secret alone, as password. Both at once must agree.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache

_CREDENTIAL = re.compile(r"amz_([a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?)\.([A-Za-z0-9_~-]{16,200})")
_LONGEST = 512


class BadCredential(Exception):
    """There is a credential, but not one of ours; the text says what is wrong, never its value."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Who the caller says it is, and the SHA-256 (hex) of the credential that shall prove it."""

    agent_id: str
    credential_sha256: str


def claim(bearer: bytes | None, proxy_authorization: bytes | None) -> Claim | None:
    """The one identity that the request claims; None when it carries no credential at all.

    Raises BadCredential when a credential is malformed, or when the two disagree.
    """
    found = [
        read(value)
        for read, value in ((_bearer, bearer), (_basic, proxy_authorization))
        if value is not None
    ]
    if not found:
        return None
    if found[0] != found[-1]:
        raise BadCredential("X-Amaze-Bearer and the proxy credentials name different identities")
    return found[0]


@lru_cache(maxsize=4096)
def _bearer(value: bytes) -> Claim:
    text = _ascii(value)
    match = _CREDENTIAL.fullmatch(text)
    if match is None:
        raise BadCredential("X-Amaze-Bearer is not of the form amz_<agent_id>.<secret>")
    return Claim(match[1], _sha256(text))


@lru_cache(maxsize=4096)
def _basic(value: bytes) -> Claim:
    scheme, _, encoded = _ascii(value).partition(" ")
    if scheme.lower() != "basic":
        raise BadCredential("proxy credentials must be of the Basic scheme")
    try:
        pair = base64.b64decode(encoded.strip(), validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        raise BadCredential("proxy credentials are not valid Base64 of ASCII text") from None
    user, colon, password = pair.partition(":")
    credential = password if password.startswith("amz_") else f"amz_{user}.{password}"
    match = _CREDENTIAL.fullmatch(credential)
    if not colon or match is None:
        raise BadCredential(
            "proxy credentials must be http://<agent_id>:<credential>@proxy, "
            "without percent-encoding"
        )
    if match[1] != user:
        raise BadCredential("the user of the proxy credentials is not the credential's agent")
    return Claim(user, _sha256(credential))


def _ascii(value: bytes) -> str:
    if len(value) > _LONGEST:
        raise BadCredential("the credential is too long")
    try:
        return value.decode("ascii")
    except UnicodeDecodeError:
        raise BadCredential("the credential is not ASCII") from None


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
