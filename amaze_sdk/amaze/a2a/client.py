"""Messages to other agents: always through the proxy, never twice.

A2A 1.0, JSON-RPC, to the agent's logical name; the proxy knows where it is.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import threading
import uuid
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from amaze import egress, orchestrator
from amaze.a2a.card import address
from amaze.a2a.parts import value_part
from amaze.a2a.reply import reply_of
from amaze.a2a.versions import Version
from amaze.egress import Egress
from amaze.errors import EnforcementError, SendError
from amaze.orchestrator import Answer, Unreachable
from amaze.server import MAX_MESSAGE
from amaze.settings import AGENT_ID


def send_message_to_agent(target: str, message: Any, *, timeout: float = 300.0) -> Any:
    """Send `message`, a text or any JSON value, to the agent `target`; returns its reply.

    The reply is a `str` where the agent answers a text, else the JSON value that it answers.
    `timeout`: seconds that the answer may keep silent. A message is sent once: after a timeout
    the other agent may have handled it all the same.

    Raises `SendError` when it is refused or not answered, `EnforcementError` before `amaze.init`,
    and TypeError or ValueError for a message that JSON cannot say.
    """
    way = egress.current()
    if way is None:
        raise EnforcementError("no message leaves an ungoverned agent: call amaze.init() first")
    if not AGENT_ID.fullmatch(target):
        raise SendError(400, "malformed-request", f"{target[:80]!r} is no agent id")
    return reply_of(_post(way, target, send_request(message), timeout))


async def send_message_to_agent_async(target: str, message: Any, *, timeout: float = 300.0) -> Any:  # noqa: ASYNC109
    """As `send_message_to_agent`, while the event loop goes on.

    To cancel it does not take the message back.
    """
    answer: Future[Any] = Future()

    def send() -> None:
        try:
            answer.set_result(send_message_to_agent(target, message, timeout=timeout))
        except BaseException as error:  # noqa: BLE001 - whoever awaits it gets it
            answer.set_exception(error)

    # A thread of its own: a shared pool of a few would let agents that wait for each other starve.
    answer.set_running_or_notify_cancel()
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(send,), name="amaze-send", daemon=True).start()
    return await asyncio.wrap_future(answer)


def send_request(message: Any) -> dict[str, Any]:
    """The JSON-RPC request that brings `message`. TypeError or ValueError: it is not JSON."""
    # Said here, so that the error is the author's and not one of the wire.
    json.dumps(message, allow_nan=False)
    part = {"data": None} if message is None else value_part(message, Version.V1_0)
    content = {"messageId": str(uuid.uuid4()), "role": "ROLE_USER", "parts": [part]}
    return {
        "jsonrpc": "2.0",
        "id": str(uuid.uuid4()),
        "method": "SendMessage",
        "params": {"message": content},
    }


def _post(way: Egress, target: str, body: Mapping[str, Any], timeout: float) -> Answer:
    headers = {
        "A2A-Version": Version.V1_0.value,
        "Proxy-Authorization": way.proxy_authorization,
        **way.headers(),
    }
    try:
        return orchestrator.call(
            way.proxy,
            "POST",
            address(target),
            headers=headers,
            body=body,
            timeout=timeout,
            most=MAX_MESSAGE,
        )
    except Unreachable as error:
        if isinstance(error.__cause__, TimeoutError):
            raise SendError(
                504,
                "no-answer",
                f"{target} did not answer within {timeout:g} s. It may have handled the message "
                "all the same; give it a longer timeout if it needs one",
            ) from error
        raise SendError(
            503,
            "proxy-unreachable",
            f"the proxy {way.proxy.url} gives no answer: {error}. Is the platform running?",
        ) from error
