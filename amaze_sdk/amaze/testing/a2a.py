"""What the proxy and the other agents do of A2A, for a fake platform."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from amaze import callers, orchestrator
from amaze.a2a.answers import refusal_data, result
from amaze.a2a.client import send_request
from amaze.a2a.reply import reply_of
from amaze.a2a.versions import REFUSED, SENDS
from amaze.egress import TURN
from amaze.settings import Origin


def hop_headers(credentials: Sequence[str], caller: str, callee: str, turn: str) -> dict[str, str]:
    """What the proxy tells a callee of the call, signed for each of its credentials."""
    now = int(time.time() * 1000)
    signatures = [callers.sign(one, caller, callee, turn, now) for one in credentials]
    return {callers.CALLER: caller, TURN: turn, callers.SIGNATURE: ",".join(signatures)}


def deliver(host: str, port: int, hop: Mapping[str, str], message: Any) -> Any:
    """Send a message to an agent's server; returns its reply. Raises `SendError`."""
    request = send_request(message)
    here = Origin("http", host, port)
    return reply_of(orchestrator.call(here, "POST", "/", headers=hop, body=request, timeout=60))


def answered(request: Mapping[str, Any], reply: Any) -> dict[str, Any]:
    """The answer of an agent that replies with `reply`, in the spelling of the request."""
    version = SENDS[request["method"]].version
    return _response(request, "result", result(version, request["params"], reply))


def refused(request: Mapping[str, Any], reason: str, message: str) -> dict[str, Any]:
    """The answer of the proxy that refuses it."""
    data = refusal_data(reason)
    return _response(request, "error", {"code": REFUSED, "message": message, "data": data})


def _response(request: Mapping[str, Any], member: str, content: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request["id"], member: content}
