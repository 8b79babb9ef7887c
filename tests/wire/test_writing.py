from __future__ import annotations

import pytest

from amaze_proxy.wire.ingress import Answer
from amaze_proxy.wire.writing import UnsafeHead, chunk, request_head, status_line, whole_answer


def test_request_head() -> None:
    assert request_head("GET", b"/x", [(b"host", b"a")]) == b"GET /x HTTP/1.1\r\nhost: a\r\n\r\n"


@pytest.mark.parametrize(
    ("method", "target", "field"),
    [
        ("GE T", b"/", (b"a", b"b")),
        ("GET\r\n", b"/", (b"a", b"b")),
        ("GET", b"/ HTTP/1.1\r\nx: y", (b"a", b"b")),
        ("GET", b"", (b"a", b"b")),
        ("GET", b"/", (b"a", b"b\r\nc: d")),
        ("GET", b"/", (b"a: b\r\nc", b"d")),
        ("GET", b"/", (b" a", b"d")),
    ],
)
def test_request_splitting_is_refused(
    method: str, target: bytes, field: tuple[bytes, bytes]
) -> None:
    with pytest.raises(UnsafeHead):
        request_head(method, target, [field])


def test_whole_answer() -> None:
    answer = Answer(407, "Agent token\r\nmissing", ((b"proxy-authenticate", b"Basic"),), b"hi")
    assert whole_answer(answer, keep_alive=True) == (
        b"HTTP/1.1 407 Agent token  missing\r\nproxy-authenticate: Basic\r\n"
        b"content-length: 2\r\n\r\nhi"
    )
    closing = whole_answer(answer, keep_alive=False, head_only=True)
    assert closing.endswith(b"content-length: 2\r\nconnection: close\r\n\r\n")


def test_an_answer_cannot_bring_its_own_framing() -> None:
    answer = Answer(403, "No", ((b"Content-Length", b"9"), (b"Connection", b"x")), b"")
    assert whole_answer(answer, keep_alive=True) == b"HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n"


def test_chunks_and_unknown_status() -> None:
    assert chunk(b"x" * 16) == b"10\r\n" + b"x" * 16 + b"\r\n"
    assert status_line(599) == b"HTTP/1.1 599 \r\n"
