"""A body's evidence: its text to the cap, its whole size and hash."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.pipeline.capture import Capture


@given(st.lists(st.binary(max_size=20), max_size=10), st.integers(0, 60))
def test_any_split_gives_the_same_evidence(parts: list[bytes], keep: int) -> None:
    whole = b"".join(parts)
    capture = Capture(keep)
    for part in parts:
        capture.add(part)
    assert capture.size == len(whole)
    assert capture.truncated() == (len(whole) > keep)
    assert capture.sha256 == (hashlib.sha256(whole).hexdigest() if whole else "")
    one = Capture(keep)
    one.add(whole)
    assert capture.text() == one.text()
    assert len(capture.text().encode("utf-8", "replace")) <= 3 * keep + 3


def test_fewer_bytes_can_be_asked_for() -> None:
    capture = Capture(6)
    capture.add(b"abcdef")
    assert (capture.text(4), capture.truncated(4)) == ("abcd", True)
    assert (capture.text(9), capture.truncated(9)) == ("abcdef", False)


def test_the_text_has_no_secret() -> None:
    capture = Capture(1000)
    capture.add(b"my key is sk-abcdefghijklmnop1234")
    assert capture.text() == "my key is [redacted]"
