"""The turn token, `X-Amaze-Turn`: which message a call belongs to, signed by the control plane.

    t1.<payload>.<signature>

The payload is base64url of a JSON array: agent id, turn id, trace id, parent span, time of issue
in milliseconds, depth. The signature is over `t1.<payload>` as it stands. How old a token may be
is for the reader to say: there is no clock here.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass

from amaze_proxy.policy.ids import check_agent_id
from amaze_proxy.policy.signing import SIGNATURE, encode, sign, signed

_VERSION = "t1"
_TOKEN = re.compile(rf"({_VERSION}\.[A-Za-z0-9_-]{{1,512}})\.({SIGNATURE})")
_TURN_ID = re.compile(r"[A-Za-z0-9._:~-]{1,128}")
# W3C Trace Context §3.2.2: lower-case hex, not all zero
_TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}")
_SPAN_ID = re.compile(r"((?!0{16})[0-9a-f]{16})?")
_MOST_MS = 2**53


def ambient_trace(agent_id: str, session_id: str, turn_id: str) -> str:
    """The trace of a turn that nobody signed, and that no other agent's message began."""
    text = f"{agent_id}\0{session_id}\0{turn_id}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Turn:
    """The handling of one message by one agent.

    `trace_id` 32 hex digits; `parent_span` 16 hex digits, or empty when the message came from
    outside; `issued_ms` since the epoch; `depth` the hops from agent to agent before this one
    (0: the message came from a user). Raises ValueError for anything else.
    """

    agent_id: str
    turn_id: str
    trace_id: str
    parent_span: str
    issued_ms: int
    depth: int = 0

    def __post_init__(self) -> None:
        check_agent_id(self.agent_id)
        for text, pattern, name in (
            (self.turn_id, _TURN_ID, "turn_id"),
            (self.trace_id, _TRACE_ID, "trace_id"),
            (self.parent_span, _SPAN_ID, "parent_span"),
        ):
            if not pattern.fullmatch(text):
                raise ValueError(f"{name} does not match {pattern.pattern}")
        for number, name in ((self.issued_ms, "issued_ms"), (self.depth, "depth")):
            if type(number) is not int or not 0 <= number <= _MOST_MS:
                raise ValueError(f"{name} is no whole number from 0 to 2**53")


def mint(key: bytes, turn: Turn) -> str:
    """The token of a turn. Raises ValueError for a key of less than 16 bytes."""
    # No JSON encoder, which takes as long as the signature: a turn has no character to escape.
    words = f'"{turn.agent_id}","{turn.turn_id}","{turn.trace_id}","{turn.parent_span}"'
    head = f"{_VERSION}.{encode(f'[{words},{turn.issued_ms},{turn.depth}]'.encode('ascii'))}"
    return f"{head}.{sign(key, head)}"


def verify(key: bytes, token: str) -> Turn | None:
    """The turn of a token that was minted with this key; None for any other text.

    Raises ValueError for a key of less than 16 bytes.
    """
    match = _TOKEN.fullmatch(token)
    if match is None or not signed(key, match[1], match[2]):
        return None
    try:
        return _read(match[1].removeprefix(f"{_VERSION}."))
    except (ValueError, TypeError):  # signed, but not by this `mint`
        return None


def _read(payload: str) -> Turn:
    padded = payload + "=" * (-len(payload) % 4)
    return Turn(*json.loads(base64.urlsafe_b64decode(padded)))
