"""The evidence of one call: the audit record, its canonical form, and the chain it hangs on.

Canonical form: the record without `hash`, as JSON with the keys sorted, no white space, non-ASCII
characters written as themselves, UTF-8. `hash = SHA-256(prev_hash || canonical)` in hex, both
taken as their ASCII/UTF-8 bytes; the first record of a writer has `prev_hash` of 64 zeros. A
writer is one chain: one proxy worker's records for one agent, numbered from 1 without a gap.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from operator import attrgetter, itemgetter
from typing import Any

GENESIS = "0" * 64


# Not frozen: making one is on the path of every call, and a frozen one takes twice as long.
@dataclass(slots=True)
class AuditRecord:
    """One call, allowed or denied. Empty strings and 0 mean "not known" or "none".

    `ts` is milliseconds since the epoch; `latency_ms`, `ttft_ms` milliseconds (-1: no first
    byte); `cost_microusd` micro-dollars; `limits` a JSON array of `[name, maximum, used]` as they
    stood with this call, `graph_step` the step of the execution graph that it was;
    `input`/`output` the bodies, cut at the cap when `truncated`, while the SHA-256s and `*_size`
    are of the whole bodies.
    """

    decision_id: str
    ts: int
    agent_id: str
    kind: str
    trace_id: str = ""
    span_id: str = ""
    parent_span_id: str = ""
    turn_id: str = ""
    session_id: str = ""
    caller: str = ""
    target: str = ""
    provider: str = ""
    tool: str = ""
    model: str = ""
    method: str = ""
    path: str = ""
    status: int = 0
    latency_ms: float = 0.0
    ttft_ms: float = -1.0
    input: str = ""
    output: str = ""
    input_sha256: str = ""
    output_sha256: str = ""
    input_size: int = 0
    output_size: int = 0
    truncated: bool = False
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    cost_microusd: int = 0
    estimated: bool = False
    denied: bool = False
    denial_reason: str = ""
    alert: str = ""
    policy_version: int = 0
    graph_step: str = ""
    limits: str = ""
    would_deny: str = ""
    error: str = ""
    writer: str = ""
    seq: int = 0
    prev_hash: str = ""
    hash: str = ""


_FIELDS = tuple(f.name for f in fields(AuditRecord))
# This is on the path of every call: one encoder, and no walk through dataclasses.asdict.
_HASHED = tuple(sorted(name for name in _FIELDS if name != "hash"))
_hashed_values = attrgetter(*_HASHED)
_values = attrgetter(*_FIELDS)
_encode = json.JSONEncoder(
    separators=(",", ":"), ensure_ascii=False, check_circular=False, allow_nan=False
).encode


def canonical(record: AuditRecord) -> str:
    """The text that is hashed (see the module's docstring)."""
    return _encode(dict(zip(_HASHED, _hashed_values(record), strict=True)))


def digest(prev_hash: str, text: str) -> str:
    """SHA-256 in hex over the previous hash and a canonical record."""
    # surrogatepass: a lone surrogate in a recorded body must not stop the record
    return hashlib.sha256(prev_hash.encode() + text.encode("utf-8", "surrogatepass")).hexdigest()


def seal(record: AuditRecord, writer: str, seq: int, prev_hash: str) -> AuditRecord:
    """The record as the `seq`-th link of `writer`'s chain."""
    return seal_and_store(record, writer, seq, prev_hash)[0]


def seal_and_store(
    record: AuditRecord, writer: str, seq: int, prev_hash: str
) -> tuple[AuditRecord, str]:
    """`seal`, and the stored form of what it made, with the JSON made only once."""
    sealed = linked(record, writer, seq, prev_hash, "")
    text = canonical(sealed)
    sealed.hash = digest(prev_hash, text)  # nobody else has it yet
    return sealed, _stored(text, sealed.hash)


def linked(record: AuditRecord, writer: str, seq: int, prev_hash: str, hash_: str) -> AuditRecord:
    """A copy of the record with these as its place in a chain."""
    copy = AuditRecord(*_values(record))
    copy.writer, copy.seq, copy.prev_hash, copy.hash = writer, seq, prev_hash, hash_
    return copy


def to_json(record: AuditRecord) -> str:
    """The stored form: the canonical JSON with `hash` at its end."""
    return _stored(canonical(record), record.hash)


def _stored(text: str, hash_: str) -> str:
    return f'{text[:-1]},"hash":{_encode(hash_)}}}'


_TYPES = tuple(
    {"str": str, "int": int, "float": float, "bool": bool}[str(f.type)] for f in fields(AuditRecord)
)
_NAMES = frozenset(_FIELDS)
_values_of_body = itemgetter(*_FIELDS)


def from_json(text: str | bytes) -> AuditRecord:
    """The record that `to_json` wrote. Raises ValueError on anything else."""
    try:
        body = json.loads(text)
    except RecursionError:
        raise ValueError("not an audit record") from None
    if not isinstance(body, dict) or body.keys() != _NAMES:
        raise ValueError("not an audit record")
    values = _values_of_body(body)
    if not _typed(values):
        raise ValueError("not an audit record")
    return AuditRecord(*values)


def as_body(record: AuditRecord) -> dict[str, Any]:
    """The JSON object that the stored form is."""
    return dict(zip(_FIELDS, _values(record), strict=True))


def _typed(values: tuple[object, ...]) -> bool:
    found = tuple(map(type, values))
    # a whole number of milliseconds may have been written without its point
    return found == _TYPES or all(
        one is wanted or (one, wanted) == (int, float)
        for one, wanted in zip(found, _TYPES, strict=True)
    )
