"""The request as the target gets it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.pipeline.outgoing import content_of, forward_headers

TRACE, SPAN = "a" * 32, "b" * 16
OURS = [
    (b"accept-encoding", b"identity"),
    (b"traceparent", f"00-{TRACE}-{SPAN}-01".encode()),
]
NAMES = st.sampled_from(
    [b"x-amaze-bearer", b"x-amaze-anything", b"traceparent", b"baggage", b"host", b"accept", b"x-a"]
)


def sent(*received: tuple[bytes, bytes], edited: bool = False) -> list[tuple[bytes, bytes]]:
    return forward_headers(received, TRACE, SPAN, edited)


@given(st.lists(st.tuples(NAMES, st.binary(max_size=5))))
def test_only_what_is_the_targets_business_goes_out(received: list[tuple[bytes, bytes]]) -> None:
    kept = [pair for pair in received if pair[0] in (b"accept", b"x-a")]
    assert sent(*received) == [*kept, *OURS]


def test_what_spoke_of_the_old_body_does_not_go_with_an_edited_one() -> None:
    told = [
        (b"content-encoding", b"gzip"),
        (b"content-length", b"9"),
        (b"digest", b"x"),
        (b"content-md5", b"y"),
        (b"content-digest", b"z"),
        (b"repr-digest", b"z"),
    ]
    assert sent(*told) == [*told, *OURS]
    assert sent(*told, (b"content-type", b"z"), edited=True) == [(b"content-type", b"z"), *OURS]


async def parts(*given: bytes) -> AsyncIterator[bytes]:
    for part in given:
        yield part


async def test_a_body_is_empty_or_streamed() -> None:
    assert await content_of(parts()) == b""
    for given_ in ((b"a",), (b"a", b"b", b"c")):
        content = await content_of(parts(*given_))
        assert not isinstance(content, bytes)
        assert [part async for part in content] == list(given_)
