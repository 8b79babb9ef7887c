"""No answer of an agent stops the reader; its bytes pass unchanged, however they are cut."""

from __future__ import annotations

from collections.abc import Iterable

from amaze_proxy.protocols import a2a
from amaze_proxy.protocols.a2a import A2aRequest, Binding, Operation
from tests.fuzz.pieces import bytewise, choose

_BINDINGS = tuple(binding.value for binding in Binding)


def check(data: bytes) -> None:
    name, answer = choose(data, _BINDINGS)
    request = A2aRequest(Binding(name), Operation.STREAM, "1.0", "SendStreamingMessage", 1)
    whole = _read(request, [answer])
    assert whole == _read(request, bytewise(answer))
    assert whole[0] == answer
    assert isinstance(a2a.failed(request, answer), bool)


def _read(request: A2aRequest, pieces: Iterable[bytes]) -> tuple[bytes, bool, bool]:
    stream = a2a.Stream(request)
    passed = b"".join([stream.feed(piece) for piece in pieces])
    return passed + stream.end(), stream.complete, stream.failed
