"""Secrets are taken out of what is recorded, at the source."""

from __future__ import annotations

import re

from pydantic_core import SchemaValidator, core_schema

# Our own credentials and keys, and the key forms of the LLM providers.
_KEY = re.compile(
    r"\bam[zk]_[A-Za-z0-9._~-]{16,}"
    r"|\b(?:sk|rk|pk|gsk|xai|hf|ghp|pplx)[-_][A-Za-z0-9_-]{16,}"
    r"|\bAIza[A-Za-z0-9_-]{20,}"
    r"|\b(?:[Bb]earer|BEARER)\s+[A-Za-z0-9._~+/-]{16,}"
)
# What a key is called in a body that carries one for the provider to use elsewhere.
_NAMES = (
    r"(?:authorization(?:_token)?|(?:x-)?api[_-]?key|(?:access|refresh|id)_token|password"
    r"|client_secret|credentials|client_assertion|private_key|secret)"
)
# A text may be cut in the middle of the value.
_FIELD = re.compile(rf'("{_NAMES}"\s*:\s*)"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.IGNORECASE | re.DOTALL)
# The same in JSON that is itself a string of JSON: the arguments of a tool call.
_INNER_FIELD = re.compile(
    rf'(\\"{_NAMES}\\"\s*:\s*)\\"(?:[^"\\]|\\\\(?:\\\\|\\"|[^"\\]))*+(?:\\"|\\*\Z)', re.IGNORECASE
)
# And in a form or a query.
_FORM_FIELD = re.compile(rf"((?:\A|[?&])(?:{_NAMES}|key)=)[^&\s\"]+", re.IGNORECASE)
# Whatever one of these expressions finds has this in it. They take 50 us for 1 KB; this takes 1 us
# (Rust's `regex`, which pydantic brings), and is what most bodies need.
_MAYBE = SchemaValidator(
    core_schema.str_schema(
        pattern=rf"\b(?:am[zk]_|(?:sk|rk|pk|gsk|xai|hf|ghp|pplx)[-_]|AIza|[Bb]earer|BEARER)|(?i:{_NAMES})"
        r"|(?:\A|[?&])(?i:key=)"
    )
)
_SURROGATE = re.compile("[\ud800-\udfff]")  # a text with one is no text to Rust


def redact(text: str) -> str:
    """The text with everything that looks like a credential replaced by `[redacted]`."""
    if not _MAYBE.isinstance_python(text) and (text.isascii() or not _SURROGATE.search(text)):
        return text
    text = _FIELD.sub(r'\1"[redacted]"', text)
    text = _INNER_FIELD.sub(r'\1\\"[redacted]\\"', text)
    text = _FORM_FIELD.sub(r"\1[redacted]", text)
    return _KEY.sub("[redacted]", text)
