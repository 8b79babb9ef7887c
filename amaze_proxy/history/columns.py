"""A record as a row of the archive: its columns, and its text read back."""

from __future__ import annotations

import json
from dataclasses import fields
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
_SMALL = frozenset(("status", "policy_version"))
_RECORD_FIELDS = frozenset(f.name for f in fields(AuditRecord))


def columns(record: AuditRecord) -> dict[str, Any]:
    """The values of the columns: the record's own, in what every database can hold."""
    return {name: _column(name, getattr(record, name)) for name in COLUMNS}


def _column(name: str, value: str | int | float) -> object:
    if isinstance(value, str):
        return as_words(value)[:64] if name == "hash" else as_words(value)
    if isinstance(value, bool | float):
        return value
    most = 2**31 - 1 if name in _SMALL else 2**63 - 1
    return max(-most, min(value, most))


def as_words(text: str) -> str:
    """Text that is asked by: cut, without what is no text to a database."""
    return escaped(text[:_WORDS_MAX]).replace("\0", "\\u0000")[:_WORDS_MAX]


def read_record(text: str) -> AuditRecord:
    """The record of an archived text. Another version may have written it, with other fields."""
    body = json.loads(text)
    return AuditRecord(**{name: body[name] for name in body.keys() & _RECORD_FIELDS})
