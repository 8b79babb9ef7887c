"""Secrets are taken out of what is recorded, at the source."""

from __future__ import annotations

import re

# Our own credentials and keys, and the key forms of the LLM providers.
_KEY = re.compile(
    r"\bam[zk]_[A-Za-z0-9._~-]{16,}"
    r"|\b(?:sk|rk|pk|gsk|xai|hf|ghp|pplx)[-_][A-Za-z0-9_-]{16,}"
    r"|\bAIza[A-Za-z0-9_-]{20,}"
    r"|\b(?:[Bb]earer|BEARER)\s+[A-Za-z0-9._~+/-]{16,}"
)
# Whatever the expression matches holds one of these. It takes 100 times as long as looking for
# them, and is on the path of every call.
_PREFIXES = ("amz", "amk", "sk", "rk", "pk", "xai", "hf", "ghp", "pplx")
_HINTS = (*(f"{p}{mark}" for p in _PREFIXES for mark in "-_"), "AIza", "earer", "BEARER")
# What a key is called in a body that carries one for the provider to use elsewhere.
_FIELD = re.compile(
    r'("(?:authorization(?:_token)?|api[_-]?key|access_token|x-api-key|password|client_secret)"'
    r'\s*:\s*)"(?:[^"\\]|\\.)*"',
    re.IGNORECASE,
)


def redact(text: str) -> str:
    """The text with everything that looks like a credential replaced by `[redacted]`."""
    text = _FIELD.sub(r'\1"[redacted]"', text)
    if any(hint in text for hint in _HINTS):
        text = _KEY.sub("[redacted]", text)
    return text
