"""What this agent answers: results in the caller's spelling, errors per binding."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from amaze.a2a.parts import value_part
from amaze.a2a.versions import REFUSED, Fault, Version
from amaze.server import Response, json_response

# google.rpc.Code for an HTTP status
_CODES = {
    400: "INVALID_ARGUMENT",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    501: "UNIMPLEMENTED",
}


def result(version: Version, params: Mapping[str, Any], reply: Any) -> dict[str, Any]:
    """The answer to a send that is not streamed. Its conversation goes on under the same id."""
    part = value_part(reply, version)
    if version is Version.V0_2:
        artifacts = [{"index": 0, "parts": [part]}]
        return {"id": params.get("id"), "status": _completed(part), "artifacts": artifacts}
    role = "ROLE_AGENT" if version is Version.V1_0 else "agent"
    message: dict[str, Any] = {"messageId": str(uuid.uuid4()), "role": role, "parts": [part]}
    context_id = params["message"].get("contextId")
    if isinstance(context_id, str) and context_id:
        message["contextId"] = context_id
    return {"message": message} if version is Version.V1_0 else {"kind": "message", **message}


def event(version: Version, params: Mapping[str, Any], reply: Any) -> dict[str, Any]:
    """The only event of a stream."""
    if version is Version.V0_2:
        status = _completed(value_part(reply, version))
        return {"id": params.get("id"), "status": status, "final": True}
    return result(version, params, reply)


def sse(content: Response) -> Response:
    """The answer as the one event of a stream; JSON on one line needs no splitting."""
    return Response(content.status, b"data: " + content.body + b"\n\n", "text/event-stream")


def rpc_error(identifier: str | int | None, fault: Fault) -> Response:
    """HTTP 200: clients throw away the body of another status, and with it why."""
    error: dict[str, Any] = {"code": fault.code, "message": fault.message}
    if fault.reason:
        error["data"] = refusal_data(fault.reason)
    return json_response(200, {"jsonrpc": "2.0", "id": identifier, "error": error})


def rest_error(fault: Fault) -> Response:
    """google.rpc.Status, as the REST binding of 1.0 wants."""
    error = {
        "code": fault.status,
        "status": _CODES.get(fault.status, "INTERNAL"),
        "message": fault.message,
        "details": refusal_data(fault.reason) if fault.reason else [],
    }
    return json_response(fault.status, {"error": error, "reason": fault.reason or "a2a-error"})


def refused(reason: str, message: str) -> Fault:
    """A call that is not looked at, since it proves nothing."""
    return Fault(REFUSED, 403, message, reason)


def _completed(part: Mapping[str, Any]) -> dict[str, Any]:
    return {"state": "completed", "message": {"role": "agent", "parts": [part]}}


def refusal_data(reason: str) -> list[dict[str, Any]]:
    """Our reason, where A2A has room for it: google.rpc.ErrorInfo."""
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "POLICY_DENIED",
        "domain": "amaze",
        "metadata": {"reason": reason},
    }
    return [info]
