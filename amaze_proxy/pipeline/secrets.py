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
_NAMES = (
    r"(?:authorization(?:_token)?|(?:x-)?api[_-]?key|(?:access|refresh|id)_token|password"
    r"|client_secret|client_assertion|private_key|secret)"
)
# A text may be cut in the middle of the value.
_FIELD = re.compile(rf'("{_NAMES}"\s*:\s*)"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.IGNORECASE | re.DOTALL)
# The same in JSON that is itself a string of JSON: the arguments of a tool call.
_INNER_FIELD = re.compile(
    rf'(\\"{_NAMES}\\"\s*:\s*)\\"(?:[^"\\]|\\\\(?:\\\\|\\"|[^"\\]))*+(?:\\"|\\*\Z)', re.IGNORECASE
)
# And in a form or a query.
_FORM_HINTS = ("key=", "token=", "secret=", "assertion=", "password=", "authorization=")
_FORM_FIELD = re.compile(rf"((?:\A|[?&]){_NAMES}=)[^&\s\"]+", re.IGNORECASE)


def redact(text: str) -> str:
    """The text with everything that looks like a credential replaced by `[redacted]`."""
    text = _FIELD.sub(r'\1"[redacted]"', text)
    if '\\"' in text:
        text = _INNER_FIELD.sub(r'\1\\"[redacted]\\"', text)
    if any(hint in text for hint in _FORM_HINTS):
        text = _FORM_FIELD.sub(r"\1[redacted]", text)
    if any(hint in text for hint in _HINTS):
        text = _KEY.sub("[redacted]", text)
    return text
