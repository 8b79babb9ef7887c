"""Secrets are taken out of what is recorded, at the source."""

from __future__ import annotations

import re

# Our own credentials and keys, and the key forms of the LLM providers.
_SECRET = re.compile(
    r"\bam[zk]_[A-Za-z0-9._~-]{16,}"
    r"|\b(?:sk|rk|pk|gsk|xai|hf|ghp|pplx)[-_][A-Za-z0-9_-]{16,}"
    r"|\bAIza[A-Za-z0-9_-]{20,}"
    r"|(?i:\bbearer\s+[A-Za-z0-9._~+/-]{16,})"
)
# What a key is called in a body that carries one for the provider to use elsewhere.
_FIELD = re.compile(
    r'("(?:authorization(?:_token)?|api[_-]?key|access_token|x-api-key|password|client_secret)"'
    r'\s*:\s*)"(?:[^"\\]|\\.)*"',
    re.IGNORECASE,
)


def redact(text: str) -> str:
    """The text with everything that looks like a credential replaced by `[redacted]`."""
    return _SECRET.sub("[redacted]", _FIELD.sub(r'\1"[redacted]"', text))
