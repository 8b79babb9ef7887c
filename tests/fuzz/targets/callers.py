"""Only what was signed for these three names a caller, and for no other three."""

from __future__ import annotations

from amaze_proxy.policy.callers import CallerClaim, sign, verify

_KEY = b"k" * 32
_OTHER = b"o" * 32


def check(data: bytes) -> None:
    text = data.decode("latin-1")
    header, caller, callee, turn, issued = (text.split("\n") + [""] * 5)[:5]
    assert verify(_KEY, header, caller, callee, turn) is None, "forged"
    try:
        claim = CallerClaim(caller, callee, turn, int(issued or 0))
    except ValueError:
        return
    signed = sign(_KEY, claim)
    assert verify(_KEY, signed, caller, callee, turn) == claim
    assert verify(_OTHER, signed, caller, callee, turn) is None
    assert verify(_KEY, f"{signed}\n", caller, callee, turn) is None
    assert verify(_KEY, signed, f"{caller}a", callee, turn) is None
    assert verify(_KEY, signed, caller, f"{callee}a", turn) is None
    assert verify(_KEY, signed, caller, callee, f"{turn}a") is None
    if caller != callee:
        assert verify(_KEY, signed, callee, caller, turn) is None
