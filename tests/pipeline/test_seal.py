"""Refusals that travel through a server and back."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.pipeline.legacy import LONGEST
from amaze_proxy.pipeline.seal import Seal

SEAL = Seal(b"k" * 32)
LONGEST_ID = 4096  # what `protocols.jsonrpc` reads


@given(st.binary(max_size=300))
def test_every_worker_opens_what_one_closed(body: bytes) -> None:
    assert Seal(b"k" * 32).open(SEAL.close(body)) == body


def test_nothing_of_it_can_be_read() -> None:
    assert "secret" not in SEAL.close(b"secret")


def test_the_longest_body_fits_into_an_id() -> None:
    assert len(SEAL.close(b"x" * LONGEST)) <= LONGEST_ID


@given(st.text(max_size=50))
def test_what_is_not_ours_is_not_opened(text: str) -> None:
    assert SEAL.open(text) is None
    assert SEAL.open(f"amaze:{text}") is None


@pytest.mark.parametrize("text", ["amaze:", "amaze:\u00e9", "amaze:\ud800", "AMAZE:x", ""])
def test_odd_ids_are_not_ours(text: str) -> None:
    assert SEAL.open(text) is None


def test_another_installation_opens_nothing() -> None:
    assert Seal(b"x" * 32).open(SEAL.close(b"body")) is None


def test_what_was_changed_on_the_way_is_not_opened() -> None:
    closed = SEAL.close(b"body")
    assert SEAL.open(closed[:-8] + "AAAAAAA=") is None


def test_it_ends_after_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Fernet.encrypt_at_time
    monkeypatch.setattr(Fernet, "encrypt", lambda own, body: real(own, body, 1_000_000_000))
    assert SEAL.open(SEAL.close(b"body")) is None


def test_a_place_is_proved_by_its_mark_alone() -> None:
    mark = SEAL.mark("demo http://h:1/messages")
    assert SEAL.marked("demo http://h:1/messages", mark)
    assert not SEAL.marked("demo http://h:1/admin", mark)
    assert not Seal(b"x" * 32).marked("demo http://h:1/messages", mark)
