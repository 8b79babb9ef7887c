"""A refusal that MCP clients can read.

A tool's refusal is a result with `isError`: the model sees it and the session goes on, where a
status of 403 ends the session of most clients. `resultType` is there because clients of
2026-07-28 throw a result without it away; older ones do not look.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.jsonrpc import Message, MessageKind, RpcId, error, result
from amaze_proxy.protocols.mcp.asking import REFUSED, Asked
from amaze_proxy.protocols.mcp.head import HeaderMismatch, UnknownVersion
from amaze_proxy.protocols.mcp.request import McpRequest, NotUnderstood, Operation
from amaze_proxy.protocols.mcp.versions import VERSIONS, is_stateless
from amaze_proxy.protocols.refusal import Refusal
from amaze_proxy.protocols.strictjson import JsonObject, JsonValue, dumps

DECISION = "dev.amaze/decision"
"""The key of `_meta` that has the decision, for programs."""

_NO_METHOD = -32601  # JSON-RPC 2.0 §5.1
_BAD_PARAMS = -32602
_HEADER_MISMATCH = -32020  # 2026-07-28 basic/index §Error Codes
_UNKNOWN_VERSION = -32022


@dataclass(frozen=True, slots=True)
class RpcFault:
    """What any server would refuse, so that it is refused as servers do: with this JSON-RPC code
    and `data`, and with this HTTP status."""

    code: int
    status: int
    data: Mapping[str, JsonValue] = field(default_factory=dict)


def rpc_fault(error: Malformed | NotUnderstood, version: str) -> RpcFault:
    """What is wrong with a message (`read_head`, `classify`) of that revision ("": not told)."""
    match error:
        case NotUnderstood():
            return RpcFault(_NO_METHOD, 404 if is_stateless(version) else 200)
        case UnknownVersion():
            return RpcFault(_UNKNOWN_VERSION, 400, _supported(error.version))
        case HeaderMismatch():
            return RpcFault(_HEADER_MISMATCH, 400)
        case _:
            return RpcFault(_BAD_PARAMS, 400)


def _supported(requested: str) -> JsonObject:
    # Servers name those of the same era: with a name of the other one a client has to begin anew.
    era = is_stateless(requested)
    known: list[JsonValue] = [version for version in VERSIONS if is_stateless(version) is era]
    return {"supported": known, "requested": requested}


def refusal_body(request: McpRequest, refusal: Refusal, fault: RpcFault | None = None) -> bytes:
    """The JSON-RPC response that refuses the request; b"" for a notification or a reply, which
    nobody answers."""
    if request.message.kind is not MessageKind.REQUEST:
        return b""
    told: JsonObject = {
        **refusal.details,
        "reason": refusal.reason,
        "decision_id": refusal.decision_id,
    }
    if fault is not None:
        return dumps(error(request.id, fault.code, refusal.message, {**fault.data, **told}))
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
