"""The turn of an incoming message: the gateway's, or one asked for from the control plane."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from amaze import orchestrator
from amaze.egress import BEARER
from amaze.orchestrator import Unreachable
from amaze.settings import Origin

_TOKEN = re.compile(r"[\x21-\x7e]{1,4096}")
# W3C Trace Context §3.2: version, trace-id, parent-id, flags.
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class NoTurn(Exception):
    """The message cannot be handled: it has no turn to be accounted to."""

    status: int
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """What an incoming message says of its turn and trace: header values, or None."""

    turn: str | None
    traceparent: str | None


TurnSource = Callable[[Arrival], str]


def turns_from(origin: Origin, credential: str) -> TurnSource:
    """A source of turns at the control plane, asked with the agent's credential."""

    def turn_of(arrival: Arrival) -> str:
        """The token for this message. Raises `NoTurn`: without a turn nothing is handled."""
        if arrival.turn is not None:
            if not _TOKEN.fullmatch(arrival.turn):
                raise NoTurn(400, "invalid-turn", "X-Amaze-Turn is not a turn token")
            return arrival.turn
        return _ask(origin, credential, arrival.traceparent)

    return turn_of


def _ask(origin: Origin, credential: str, traceparent: str | None) -> str:
    headers = {BEARER: credential}
    if traceparent and _TRACEPARENT.fullmatch(traceparent):
        headers["traceparent"] = traceparent
    try:
        answer = orchestrator.call(origin, "POST", "/turns", headers=headers, body={})
    except Unreachable as error:
        raise NoTurn(
            503, "control-plane-unreachable", f"the control plane gives no turn: {error}"
        ) from None
    if not answer.ok:
        status = answer.status if answer.status in (401, 403, 429) else 503
        raise NoTurn(status, answer.reason or "turn-refused", answer.explanation)
    token = answer.text("turn")
    if not _TOKEN.fullmatch(token):
        raise NoTurn(503, "turn-refused", "the control plane answered without a turn")
    return token
