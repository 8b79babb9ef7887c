"""A refusal that MCP clients can read.

A tool's refusal is a result with `isError`: the model sees it and the session goes on, where a
status of 403 ends the session of most clients. `resultType` is there because clients of
2026-07-28 throw a result without it away; older ones do not look.
"""

from __future__ import annotations

from amaze_proxy.protocols.jsonrpc import Message, MessageKind, RpcId, error, result
from amaze_proxy.protocols.mcp.asking import REFUSED, Asked
from amaze_proxy.protocols.mcp.request import McpRequest, Operation
from amaze_proxy.protocols.refusal import Refusal
from amaze_proxy.protocols.strictjson import JsonObject, JsonValue, dumps

DECISION = "dev.amaze/decision"
"""The key of `_meta` that has the decision, for programs."""


def refusal_body(request: McpRequest, refusal: Refusal) -> bytes:
    """The JSON-RPC response that refuses the request; b"" for a notification or a reply, which
    nobody answers."""
    if request.message.kind is not MessageKind.REQUEST:
        return b""
    told: JsonObject = {
        **refusal.details,
        "reason": refusal.reason,
        "decision_id": refusal.decision_id,
    }
    if request.operation is Operation.TOOL:
        return dumps(_tool_error(request.id, refusal.message, told))
    return dumps(error(request.id, REFUSED, refusal.message, told))


def refused_answer(
    request: McpRequest | None, message: Message, refused: list[Asked]
) -> JsonObject:
    """What the client gets instead of a result that asks it for something refused."""
    words = "; ".join(dict.fromkeys(asked.words for asked in refused))
    text = f"The server's answer was withheld: {words}"
    methods: list[JsonValue] = [*dict.fromkeys(asked.method for asked in refused)]
    told: JsonObject = {"denied": methods}
    if request is not None and request.operation is Operation.TOOL:
        return _tool_error(message.id, text, told)
    return error(message.id, REFUSED, text, told)


def _tool_error(request_id: RpcId | None, text: str, told: JsonObject) -> JsonObject:
    content: list[JsonValue] = [{"type": "text", "text": text}]
    value: JsonObject = {
        "resultType": "complete",
        "isError": True,
        "content": content,
        "_meta": {DECISION: told},
    }
    return result(request_id, value)


def ping_instead(request_id: str) -> bytes:
    """The ping to post to an HTTP+SSE server in place of a refused request. Its answer comes on
    the client's stream, where `Screen` puts the refusal in its place (`unseal`)."""
    return dumps({"jsonrpc": "2.0", "id": request_id, "method": "ping"})
