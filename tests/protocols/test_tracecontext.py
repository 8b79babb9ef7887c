"""`traceparent`, read to the letter."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.protocols.tracecontext import TraceContext, parse

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def test_what_is_written_is_read() -> None:
    ours = TraceContext(TRACE, SPAN)
    assert ours.traceparent == f"00-{TRACE}-{SPAN}-01"
    assert parse(ours.traceparent) == ours
    assert ours.ids == (int(TRACE, 16), int(SPAN, 16))


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        {},
        "",
        b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        f"01-{TRACE}-{SPAN}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01\n",
        f" 00-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE[:-1]}٣-{SPAN}-01",
    ],
)
def test_anything_else_is_none(value: object) -> None:
    assert parse(value) is None


@given(st.from_regex(r"[0-9a-f-]{50,60}", fullmatch=True) | st.text(max_size=60))
def test_what_is_read_was_there_to_the_letter(value: str) -> None:
    found = parse(value)
    valid = re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", value) is not None
    zeros = valid and (set(value[3:35]) == {"0"} or set(value[36:52]) == {"0"})
    assert (found is not None) == (valid and not zeros)
    if found is not None:
        assert value.startswith(found.traceparent[:-2])
