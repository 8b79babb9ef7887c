"""The credential of a request: one claim, or a refusal that never repeats it."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.pipeline.identity import BadCredential, Claim, claim

SECRET = "s3cret-s3cret_s3cret~x"
CREDENTIAL = f"amz_agent-1.{SECRET}"
CLAIM = Claim("agent-1", hashlib.sha256(CREDENTIAL.encode()).hexdigest())


def basic(text: str) -> bytes:
    return b"Basic " + base64.b64encode(text.encode())


def test_nothing_is_no_claim() -> None:
    assert claim(None, None) is None


@pytest.mark.parametrize(
    ("bearer", "proxy"),
    [
        (CREDENTIAL.encode(), None),
        (None, basic(f"agent-1:{CREDENTIAL}")),
        (None, basic(f"agent-1:{SECRET}")),
        (None, b"bAsIc" + basic(f"agent-1:{SECRET}")[5:]),
        (CREDENTIAL.encode(), basic(f"agent-1:{SECRET}")),
    ],
)
def test_every_way_to_say_who_one_is(bearer: bytes | None, proxy: bytes | None) -> None:
    assert claim(bearer, proxy) == CLAIM


def test_an_agent_id_may_hold_dots() -> None:
    found = claim(f"amz_a.b.c.{SECRET}".encode(), None)
    assert found is not None
    assert found.agent_id == "a.b.c"


@pytest.mark.parametrize(
    ("bearer", "proxy", "says"),
    [
        (b"amz_agent-1.short", None, "not of the form"),
        (b"Bearer " + CREDENTIAL.encode(), None, "not of the form"),
        (CREDENTIAL.upper().encode(), None, "not of the form"),
        (CREDENTIAL.encode() + b" ", None, "not of the form"),
        (b"amz_" + b"a" * 600, None, "too long"),
        ("amz_agent-1.sécret-s3cret_s3cret".encode(), None, "not ASCII"),
        (None, b"Bearer abc", "Basic scheme"),
        (None, b"Basic !", "not valid Base64"),
        (None, b"Basic " + base64.b64encode(b"\xff:\xff"), "not valid Base64"),
        (None, basic("agent-1"), "without percent-encoding"),
        (None, basic(f"agent-1:{SECRET}%2F"), "without percent-encoding"),
        (None, basic(f"Agent-1:{SECRET}"), "without percent-encoding"),
        (None, basic(f"agent-2:{CREDENTIAL}"), "not the credential's agent"),
        (CREDENTIAL.encode(), basic(f"agent-2:{SECRET}"), "different identities"),
    ],
)
def test_what_is_refused(bearer: bytes | None, proxy: bytes | None, says: str) -> None:
    with pytest.raises(BadCredential, match=says) as caught:
        claim(bearer, proxy)
    assert SECRET not in str(caught.value)


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_any_bytes_are_a_claim_or_refused(bearer: bytes, proxy: bytes) -> None:
    try:
        found = claim(bearer, proxy)
    except BadCredential:
        return
    assert isinstance(found, Claim)
