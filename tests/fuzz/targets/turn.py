"""Only what was signed with the key is a turn, and it is the turn that was signed."""

from __future__ import annotations

from amaze_proxy.policy.signing import encode, sign
from amaze_proxy.policy.turn import Turn, mint, verify
from tests.fuzz.pieces import choose

_KEY = b"k" * 32
_OTHER = b"o" * 32


def check(data: bytes) -> None:
    kind, rest = choose(data, ("token", "payload", "head"))
    if kind == "token":
        assert verify(_KEY, rest.decode("latin-1")) is None, "forged"
        return
    head = f"t1.{encode(rest)}" if kind == "payload" else rest.decode("ascii", "ignore")
    token = f"{head}.{sign(_KEY, head)}"
    turn = verify(_KEY, token)
    if turn is None:
        return
    assert verify(_OTHER, token) is None
    assert verify(_KEY, f"{token}=") is None
    assert verify(_KEY, f"{token}\n") is None
    assert verify(_KEY, token.replace("t1.", "c1.", 1)) is None
    assert verify(_KEY, mint(_KEY, turn)) == turn
    assert Turn(turn.agent_id, turn.turn_id, turn.trace_id, turn.parent_span, turn.issued_ms,
                turn.depth) == turn  # fmt: skip
