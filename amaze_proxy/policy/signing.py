"""HMAC-SHA256 over a text, as 43 characters of base64url without padding (RFC 4648 §5).

What is signed is compared as text, so that a signature has one spelling alone.
"""

from __future__ import annotations

import base64
import hmac

LEAST_KEY = 16
"""The shortest key, in bytes: an empty one would let anybody sign."""

SIGNATURE = r"[A-Za-z0-9_-]{43}"


def sign(key: bytes, text: str) -> str:
    """The signature of an ASCII text. Raises ValueError for a key that is too short."""
    if len(key) < LEAST_KEY:
        raise ValueError(f"a signing key has at least {LEAST_KEY} bytes")
    return encode(hmac.digest(key, text.encode("ascii"), "sha256"))


def signed(key: bytes, text: str, signature: str) -> bool:
    """Whether this is the text's signature; takes the same time wherever it differs."""
    return hmac.compare_digest(sign(key, text).encode(), signature.encode())


def encode(raw: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
