"""Messages from other agents: JSON-RPC of A2A 1.0, 0.3 and 0.2, and REST of 1.0.

Every call has to prove that it came through the proxy, before anything is done with it. A message
is answered at once, so there are no tasks to ask for.
"""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from amaze import context
from amaze.a2a import answers, versions
from amaze.a2a.card import PATHS, card
from amaze.a2a.parts import NotAMessage, message_value
from amaze.a2a.versions import Fault, Send, Version
from amaze.callers import Hop, NotVerified
from amaze.server import NoHandler, Request, Response, json_response, read_json

_REST = {
    "/message:send": Send(Version.V1_0, stream=False),
    "/message:stream": Send(Version.V1_0, stream=True),
}
_RELEASE = re.compile(r"([0-9]+\.[0-9]+)(\.[0-9]+)?")

log = logging.getLogger("amaze")


class Trouble(Exception):
    """The call ends with this fault."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class A2aService:
    """What is done with a call: check who makes it, hand its message to the author's function.

    `verify` gets the headers and raises `NotVerified`; `reply` gets caller and message and returns
    what the author's function returned; `NoHandler`: there is none.
    """

    agent_id: str
    verify: Callable[[Mapping[str, str]], Hop]
    reply: Callable[[str, Any], Any]

    def __call__(self, request: Request) -> Response:
        """The answer to one HTTP request; never raises."""
        match request.method, request.path:
            case "POST", "/" | "/a2a":
                return self._rpc(request)
            case "POST", path if path in _REST:
                return self._rest(request, _REST[path])
            case "GET", path if path in PATHS:
                return json_response(200, card(self.agent_id))
            case "GET", "/health":
                return json_response(200, {"status": "ok", "agent_id": self.agent_id})
            case _, path if path.startswith("/tasks/"):
                return answers.rest_error(versions.NO_TASK)
            case _:
                return answers.rest_error(versions.NO_METHOD)

    def _rpc(self, request: Request) -> Response:
        identifier, streamed = None, False
        try:
            document = _object(request.body)
            identifier, method = _envelope(document)
            send = versions.SENDS.get(method)
            streamed = send is not None and send.stream
            hop = self._verified(request)
            if send is None:
                raise Trouble(versions.OTHERS.get(method, versions.NO_METHOD))
            _check_version(request)
            return self._answer(hop, send, _params(document), identifier)
        except Trouble as trouble:
            error = answers.rpc_error(identifier, trouble.fault)
            # a2a-sdk 0.3 shows nothing of an error that does not come as it asked for.
            return answers.sse(error) if streamed else error

    def _rest(self, request: Request, send: Send) -> Response:
        try:
            hop = self._verified(request)
            _check_version(request)
            return self._answer(hop, send, _object(request.body), None)
        except Trouble as trouble:
            return answers.rest_error(trouble.fault)

    def _verified(self, request: Request) -> Hop:
        try:
            return self.verify(request.headers)
        except NotVerified as error:
            raise Trouble(answers.refused(error.reason, str(error))) from None

    def _answer(
        self, hop: Hop, send: Send, params: Mapping[str, Any], identifier: str | int | None
    ) -> Response:
        try:
            message = message_value(params.get("message"))
        except NotAMessage as error:
            raise _trouble(versions.NO_PARAMS, str(error)) from None
        shape = answers.event if send.stream else answers.result
        try:
            with context.turn(hop.turn):
                reply = self.reply(hop.caller, message)
            content = shape(send.version, params, reply)
            answer = json_response(200, _in_envelope(content, identifier))
        except NoHandler as missing:
            raise _trouble(versions.UNSUPPORTED, str(missing)) from None
        except Exception as error:
            # The text of an exception may hold anything; whoever runs the agent has the log.
            log.exception("the handler of an agent's message failed")
            raise _trouble(versions.FAILED, f"the agent failed: {type(error).__name__}") from None
        return answers.sse(answer) if send.stream else answer


def _in_envelope(content: Mapping[str, Any], identifier: str | int | None) -> Mapping[str, Any]:
    """REST has no envelope, and JSON-RPC no request without an id."""
    if identifier is None:
        return content
    return {"jsonrpc": "2.0", "id": identifier, "result": content}


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = read_json(body)
    except ValueError:
        raise Trouble(versions.NOT_JSON) from None
    if not isinstance(document, dict):
        raise Trouble(versions.NO_REQUEST)
    return document


def _envelope(document: Mapping[str, Any]) -> tuple[str | int, str]:
    """Id and method (JSON-RPC 2.0 §4). A notification makes no sense: each call has an answer."""
    identifier, method = document.get("id"), document.get("method")
    if (
        document.get("jsonrpc") != "2.0"
        or isinstance(identifier, bool)
        or not isinstance(identifier, str | int)
        or not isinstance(method, str)
    ):
        raise Trouble(versions.NO_REQUEST)
    return identifier, method


def _check_version(request: Request) -> None:
    """A2A 1.0 §3.6.2: a version that is not spoken is refused; none means 0.3."""
    asked = request.headers.get("a2a-version", "")
    match = _RELEASE.fullmatch(asked)
    if asked and (match is None or match[1] not in list(Version)):
        raise Trouble(versions.NO_VERSION)


def _params(document: Mapping[str, Any]) -> dict[str, Any]:
    params = document.get("params")
    if not isinstance(params, dict):
        raise Trouble(versions.NO_PARAMS)
    return params


def _trouble(fault: Fault, message: str) -> Trouble:
    return Trouble(dataclasses.replace(fault, message=message))
