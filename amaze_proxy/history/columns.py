"""A record as a row of the archive: its columns, and its text read back."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from operator import attrgetter
from typing import Any

from amaze_proxy.policy.chain import escaped
from amaze_proxy.policy.record import AuditRecord

COLUMNS = (
    *("writer", "seq", "hash", "decision_id", "ts", "trace_id", "span_id"),
    *("parent_span_id", "turn_id", "session_id", "caller", "kind", "target", "provider", "tool"),
    *("model", "method", "status", "latency_ms", "ttft_ms", "tokens_in", "tokens_out"),
    *("tokens_cached", "cost_microusd", "estimated", "denied", "denial_reason", "alert"),
    *("would_deny", "error", "policy_version"),
)
"""The fields of a record that are columns too."""

_WORDS_MAX = 500  # characters of a column: an index of PostgreSQL takes no more than 2,700 bytes
_MAXIMUM = {
    **dict.fromkeys(("seq", "ts"), 2**63 - 1),
    **dict.fromkeys(("status", "policy_version"), 2**31 - 1),
    # far above what a call can have, and so that the sums of very many fit into 64 bits
    **dict.fromkeys(("tokens_in", "tokens_out", "tokens_cached", "cost_microusd"), 2**40),
}
_REAL = ("latency_ms", "ttft_ms")
_FLAGS = ("estimated", "denied")
_WORDS = tuple(name for name in COLUMNS if name not in (*_MAXIMUM, *_REAL, *_FLAGS))
_RECORD_FIELDS = frozenset(f.name for f in fields(AuditRecord))
_values = attrgetter(*COLUMNS)
_words = attrgetter(*_WORDS)


def columns(record: AuditRecord) -> dict[str, Any]:
    """The values of the columns: the record's own, in what every database can hold."""
    found: dict[str, Any] = dict(zip(COLUMNS, _values(record), strict=True))
    together = "".join(_words(record))
    if as_words(together) != together:  # hardly ever: most are words of ASCII, and short
        for name in _WORDS:
            found[name] = as_words(found[name])
    found["hash"] = found["hash"][:64]
    for name, most in _MAXIMUM.items():
        found[name] = max(-most, min(found[name], most))
    for name in _REAL:
        if not math.isfinite(found[name]):  # JSON of Python has more numbers than SQL
            found[name] = 0.0
    return found


def as_words(text: str) -> str:
    """Text that is asked by: cut, without what is no text to a database."""
    if text.isascii() and "\0" not in text:  # as good as always
        return text[:_WORDS_MAX]
    return escaped(text[:_WORDS_MAX]).replace("\0", "\\u0000")[:_WORDS_MAX]


def read_record(text: str) -> AuditRecord:
    """The record of an archived text. Another version may have written it, with other fields."""
    body = json.loads(text)
    return AuditRecord(**{name: body[name] for name in body.keys() & _RECORD_FIELDS})
