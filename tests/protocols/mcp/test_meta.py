"""Trace context in `_meta`: read, and replaced by ours where there is any."""

from __future__ import annotations

import json
from typing import Any

import pytest

from amaze_proxy.protocols.jsonrpc import Message, read
from amaze_proxy.protocols.mcp import context_in, with_context
from amaze_proxy.protocols.tracecontext import TraceContext

THEIRS, OURS = TraceContext("1" * 32, "2" * 16), TraceContext("a" * 32, "b" * 16)


def message(meta: Any, **params: Any) -> Message:
    document = {"jsonrpc": "2.0", "id": 7, "method": "tools/call"}
    return read({**document, "params": {**params, "_meta": meta}})


@pytest.mark.parametrize(
    ("meta", "found"),
    [
        ({"traceparent": THEIRS.traceparent}, THEIRS),
        ({"traceparent": "nonsense"}, None),
        ({"traceparent": 7}, None),
        ({"Traceparent": THEIRS.traceparent}, None),
        ({}, None),
        (None, None),
        ("text", None),
    ],
)
def test_what_the_client_told(meta: Any, found: TraceContext | None) -> None:
    assert context_in(message(meta)) == found


def test_a_message_without_params_tells_nothing() -> None:
    assert context_in(read({"jsonrpc": "2.0", "id": 7, "result": {}})) is None


@pytest.mark.parametrize(
    "told",
    [
        {"traceparent": THEIRS.traceparent},
        {"traceparent": None},
        {"baggage": "user=jo"},
        {"traceparent": THEIRS.traceparent, "tracestate": "a=1", "baggage": "user=jo"},
    ],
)
def test_ours_replaces_theirs_and_nothing_else_is_changed(told: dict[str, Any]) -> None:
    other = {"progressToken": 1, "com.example/x": {"baggage": "mine"}}
    given = message({**other, **told}, name="add", arguments={"a": 1, "é": [None, 0.5]})
    sent = with_context(given, OURS)
    assert sent is not None
    document = json.loads(sent)
    assert document["params"].pop("_meta") == {**other, "traceparent": OURS.traceparent}
    assert document["params"] == {"name": "add", "arguments": {"a": 1, "é": [None, 0.5]}}
    assert {key: document[key] for key in ("jsonrpc", "id", "method")} == {
        "jsonrpc": "2.0",
        "id": 7,
        "method": "tools/call",
    }


@pytest.mark.parametrize("meta", [{}, {"progressToken": 1}, None, "text"])
def test_a_message_without_context_is_sent_as_it_came(meta: Any) -> None:
    assert with_context(message(meta), OURS) is None
