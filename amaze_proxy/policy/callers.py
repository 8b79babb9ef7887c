"""`X-Amaze-Caller-Signature`: the proxy's word to an A2A callee on who is calling.

    c1.<time>.<signature>

`<time>` is milliseconds since the epoch. The signature is HMAC-SHA256, in base64url without
padding, over five lines joined by a line feed: `c1`, the caller's id (`X-Amaze-Caller`), the
callee's id, the turn token (`X-Amaze-Turn` as it is sent to the callee; empty if there is none)
and `<time>`. The key is the 32 bytes of the SHA-256 of the callee's own credential, which the
callee can compute and the proxy has stored. How old a signature may be is for the callee to say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from amaze_proxy.policy import signing
from amaze_proxy.policy.ids import check_agent_id

_VERSION = "c1"
_HEADER = re.compile(rf"{_VERSION}\.(0|[1-9][0-9]{{0,15}})\.({signing.SIGNATURE})")
_TURN = re.compile(r"[A-Za-z0-9._:~-]{0,1024}")


@dataclass(frozen=True, slots=True)
class CallerClaim:
    """Who calls whom, in which turn. Raises ValueError for what is no id or no token.

    `turn` is the callee's turn token as it is sent; `issued_ms` since the epoch.
    """

    caller: str
    callee: str
    turn: str
    issued_ms: int

    def __post_init__(self) -> None:
        check_agent_id(self.caller)
        check_agent_id(self.callee)
        if not _TURN.fullmatch(self.turn):
            raise ValueError("the turn is no turn token")
        if not 0 <= self.issued_ms < 10**16:
            raise ValueError("issued_ms is not from 0 to 10**16")


def sign(key: bytes, claim: CallerClaim) -> str:
    """The header's value. Raises ValueError for a key of less than 16 bytes."""
    return f"{_VERSION}.{claim.issued_ms}.{signing.sign(key, _text(claim))}"


def verify(key: bytes, header: str, caller: str, callee: str, turn: str) -> CallerClaim | None:
    """The claim that the header proves for these three; None if it proves nothing.

    Raises ValueError for a key of less than 16 bytes.
    """
    match = _HEADER.fullmatch(header)
    if match is None:
        return None
    try:
        claim = CallerClaim(caller, callee, turn, int(match[1]))
    except ValueError:
        return None
    return claim if signing.signed(key, _text(claim), match[2]) else None


def _text(claim: CallerClaim) -> str:
    return "\n".join((_VERSION, claim.caller, claim.callee, claim.turn, str(claim.issued_ms)))
