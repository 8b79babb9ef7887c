"""Who is calling: the proxy's signed word on it, checked before a message is looked at.

The proxy sends the caller's id, the callee's turn and `X-Amaze-Caller-Signature`: signatures
joined by ",", one for each credential of the callee that works (a rotation leaves the old one a
grace), each `c1.<time>.<signature>`. `<time>` is milliseconds since the epoch, the signature
HMAC-SHA256 in base64url without padding over five lines: `c1`, caller, callee, turn and time. The
key is the SHA-256 of the callee's credential.
"""

from __future__ import annotations

import base64
import hashlib
import heapq
import hmac
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from amaze.egress import TURN
from amaze.settings import AGENT_ID

CALLER = "X-Amaze-Caller"
SIGNATURE = "X-Amaze-Caller-Signature"

OLDEST = 300_000  # milliseconds that a signature may be on its way
NEWEST = 60_000  # milliseconds that the proxy's clock may be ahead of ours
MEMORY = 100_000  # calls remembered, against replay

_MOST_SIGNATURES = 32
_TURN = re.compile(r"[A-Za-z0-9._:~-]{1,1024}")
_SIGNATURE = re.compile(r"c1\.(0|[1-9][0-9]{0,15})\.([A-Za-z0-9_-]{43})")


class NotVerified(Exception):
    """The call does not prove that it comes from the proxy; `reason` is the word for it."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Hop:
    """A verified call: who calls, and the turn in which it is handled."""

    caller: str
    turn: str


class Callers:
    """Checks calls to one agent, each of which counts once. Shared by all threads."""

    def __init__(
        self,
        agent_id: str,
        credentials: Iterable[str],
        clock: Callable[[], float] = time.time,
        memory: int = MEMORY,
    ) -> None:
        self._agent_id = agent_id
        self._keys = [hashlib.sha256(one.encode()).digest() for one in credentials]
        self._clock = clock
        self._seen = _Seen(memory)

    def verify(self, headers: Mapping[str, str]) -> Hop:
        """The call that `headers` (names in lower case) prove. Raises `NotVerified`."""
        caller = headers.get(CALLER.lower(), "")
        turn = headers.get(TURN.lower(), "")
        if not AGENT_ID.fullmatch(caller):
            raise NotVerified("invalid-caller", "an agent takes messages through its proxy alone")
        if not _TURN.fullmatch(turn):
            raise NotVerified("invalid-turn", "the call has no turn to be accounted to")
        sent = self._proven(caller, turn, headers.get(SIGNATURE.lower(), ""))
        now = int(self._clock() * 1000)
        if not -OLDEST <= sent - now <= NEWEST:
            raise NotVerified(
                "invalid-caller", "the caller's signature is too old, or from the future"
            )
        if not self._seen.add(sent, _digest(caller, turn, sent), now - OLDEST):
            raise NotVerified("invalid-caller", "this call has been received before")
        return Hop(caller, turn)

    def _proven(self, caller: str, turn: str, header: str) -> int:
        """When the call was signed with one of our credentials."""
        proven: list[int] = []
        for part in header.split(",", _MOST_SIGNATURES)[:_MOST_SIGNATURES]:
            match = _SIGNATURE.fullmatch(part)
            if match is None:
                continue
            text = "\n".join(("c1", caller, self._agent_id, turn, match[1]))
            proven += [int(match[1]) for key in self._keys if _signed(key, text, match[2])]
        if not proven:
            raise NotVerified("invalid-caller", "the caller's signature is missing or wrong")
        return proven[0]


class _Seen:
    """The calls of the last minutes. What it had to forget is refused by its age.

    So the memory is bounded, and a flood of calls never makes an old one look new.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._horizon = -1  # milliseconds: nothing up to then is accepted
        self._calls: set[bytes] = set()
        self._by_time: list[tuple[int, bytes]] = []
        self._lock = threading.Lock()

    def add(self, sent: int, call: bytes, oldest: int) -> bool:
        """Whether this is the first time; `oldest`: what was sent before needs no memory."""
        with self._lock:
            while self._by_time and self._by_time[0][0] < oldest:
                self._calls.discard(heapq.heappop(self._by_time)[1])
            if sent <= self._horizon or call in self._calls:
                return False
            self._calls.add(call)
            heapq.heappush(self._by_time, (sent, call))
            if len(self._by_time) > self._most:
                self._horizon, forgotten = heapq.heappop(self._by_time)
                self._calls.discard(forgotten)
            return True


def sign(credential: str, caller: str, callee: str, turn: str, sent: int) -> str:
    """What the proxy signs for a callee; `sent` in milliseconds since the epoch."""
    key = hashlib.sha256(credential.encode()).digest()
    text = "\n".join(("c1", caller, callee, turn, str(sent)))
    return f"c1.{sent}.{_signature(key, text)}"


def _signature(key: bytes, text: str) -> str:
    raw = hmac.digest(key, text.encode("ascii"), "sha256")
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _signed(key: bytes, text: str, signature: str) -> bool:
    return hmac.compare_digest(_signature(key, text), signature)


def _digest(caller: str, turn: str, sent: int) -> bytes:
    """The call itself, whichever of its signatures is shown."""
    return hashlib.sha256(f"{caller}\n{turn}\n{sent}".encode()).digest()
