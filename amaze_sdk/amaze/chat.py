"""What users talk to: `POST /chat` with a message, `GET /health`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from amaze import context
from amaze.egress import TURN
from amaze.server import BadRequest, NoHandler, Request, Response, json_response, read_json
from amaze.turns import Arrival, NoTurn, TurnSource

_ROUTES = "not found: there are POST /chat and GET /health"

log = logging.getLogger("amaze")


@dataclass(frozen=True, slots=True)
class ChatService:
    """What is done with a message: find its turn, hand it to the author's function.

    `reply` returns what the author's function returned; `NoHandler`: there is none.
    """

    agent_id: str
    turn_of: TurnSource
    reply: Callable[[str], Any]

    def __call__(self, request: Request) -> Response:
        """The answer to one HTTP request; never raises."""
        if (request.method, request.path) == ("GET", "/health"):
            return json_response(200, {"status": "ok", "agent_id": self.agent_id})
        try:
            message = _message(request)
        except BadRequest as refusal:
            return json_response(refusal.status, {"error": str(refusal)})
        return self._reply(request, message)

    def _reply(self, request: Request, message: str) -> Response:
        headers = request.headers
        arrival = Arrival(headers.get(TURN.lower()), headers.get("traceparent"))
        try:
            with context.turn(self.turn_of(arrival)):
                reply = self.reply(message)
            return json_response(200, {"reply": reply})
        except NoTurn as refusal:
            content = {"error": refusal.message, "reason": refusal.reason}
            return json_response(refusal.status, content)
        except NoHandler as missing:
            return json_response(501, {"error": str(missing)})
        except Exception as error:
            # The text of an exception may hold anything; whoever runs the agent has the log.
            log.exception("the handler of a user's message failed")
            return json_response(500, {"error": f"the agent failed: {type(error).__name__}"})


def _message(request: Request) -> str:
    if (request.method, request.path) != ("POST", "/chat"):
        raise BadRequest(404, _ROUTES)
    if request.headers.get("origin"):
        # Any web page that its user opens could otherwise give the agent orders.
        raise BadRequest(403, "a browser page cannot talk to an agent directly")
    try:
        content = read_json(request.body)
    except ValueError:
        raise BadRequest(400, 'the body is not JSON: send {"message": "…"}') from None
    message = content.get("message") if isinstance(content, dict) else None
    if not isinstance(message, str):
        raise BadRequest(400, 'the body has no "message" that is a text: send {"message": "…"}')
    return message
