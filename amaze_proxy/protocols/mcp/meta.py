"""Trace context in `params._meta` of a message (SEP-414): the keys that are reserved for it there.

A server takes it before the header, so that what a client put there would lead the server's spans
out of the conversation; and `baggage` tells of the caller's system, as the header would.
"""

from __future__ import annotations

from amaze_proxy.protocols.jsonrpc import Message
from amaze_proxy.protocols.strictjson import JsonObject, dumps
from amaze_proxy.protocols.tracecontext import TraceContext, parse

_META = "_meta"
_TRACEPARENT = "traceparent"
_OTHERS = frozenset({"tracestate", "baggage"})
_KEYS = _OTHERS | {_TRACEPARENT}


def context_in(message: Message) -> TraceContext | None:
    """What the sender says that the message belongs to."""
    return parse(_meta(message).get(_TRACEPARENT))


def with_context(message: Message, ours: TraceContext) -> bytes | None:
    """The message with our context in place of the sender's; None: it has none, and is sent as it
    came. Nothing else is changed."""
    meta = _meta(message)
    if _KEYS.isdisjoint(meta):
        return None
    kept = {key: value for key, value in meta.items() if key not in _KEYS}
    kept[_TRACEPARENT] = ours.traceparent
    return dumps({**message.document, "params": {**message.params, _META: kept}})


def _meta(message: Message) -> JsonObject:
    found = message.params.get(_META)
    return found if isinstance(found, dict) else {}
