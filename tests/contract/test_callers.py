"""What the proxy signs, the SDK believes, and nothing else: they share no code."""

from __future__ import annotations

import hashlib

import pytest
from amaze import callers as sdk
from amaze.egress import TURN
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.policy import callers as proxy
from amaze_proxy.policy.callers import CallerClaim
from amaze_proxy.policy.ids import AGENT_ID

agents = st.from_regex(AGENT_ID, fullmatch=True)
turns = st.from_regex(r"[A-Za-z0-9._:~-]{1,64}", fullmatch=True)
credentials = st.from_regex(r"amz_[a-z]{1,8}\.[A-Za-z0-9_-]{1,64}", fullmatch=True)
times = st.integers(sdk.OLDEST, 10**16 - sdk.OLDEST)


@given(credential=credentials, caller=agents, callee=agents, turn=turns, sent=times)
def test_they_sign_alike(credential: str, caller: str, callee: str, turn: str, sent: int) -> None:
    key = hashlib.sha256(credential.encode()).digest()
    signature = proxy.sign(key, CallerClaim(caller, callee, turn, sent))
    assert signature == sdk.sign(credential, caller, callee, turn, sent)
    assert proxy.verify(key, signature, caller, callee, turn) is not None


@given(caller=agents, turn=turns, sent=times)
def test_the_sdk_believes_the_proxy_and_no_other_key(caller: str, turn: str, sent: int) -> None:
    claim = CallerClaim(caller, "one", turn, sent)
    ours = proxy.sign(hashlib.sha256(b"amz_one.ours").digest(), claim)
    theirs = proxy.sign(hashlib.sha256(b"amz_one.theirs").digest(), claim)
    headers = {sdk.CALLER.lower(): caller, TURN.lower(): turn}
    verify = sdk.Callers("one", ["amz_one.ours"], lambda: sent / 1000).verify
    with pytest.raises(sdk.NotVerified):
        verify(headers | {sdk.SIGNATURE.lower(): theirs})
    hop = verify(headers | {sdk.SIGNATURE.lower(): f"{theirs},{ours}"})
    assert (hop.caller, hop.turn) == (caller, turn)
