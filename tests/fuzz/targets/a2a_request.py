"""What we decide on is what a reader of plain JSON finds; a REST path has one reading."""

from __future__ import annotations

from urllib.parse import unquote

from amaze_proxy.protocols import a2a
from amaze_proxy.protocols.a2a import A2aRequest, Binding, NotUnderstood, Operation
from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.jsonrpc import Message, read_body
from tests.fuzz.pieces import plain_json

_CONFIGS = (
    "pushnotification",
    "pushnotificationconfig",
    "taskpushnotificationconfig",
    "configuration",
)


def check(data: bytes) -> None:
    """`data`: version, HTTP method, path?query, body, a line each."""
    version, method, target, body = [*data.split(b"\n", 3), b"", b"", b""][:4]
    _check_rpc(body, version.decode("latin-1"))
    path, _, query = target.decode("latin-1").partition("?")
    _check_rest(method.decode("latin-1"), path, query, version.decode("latin-1"), body)
    assert isinstance(a2a.interfaces(body), tuple)


def _check_rpc(body: bytes, version: str) -> None:
    try:
        message = read_body(body)
    except Malformed:
        return
    if not isinstance(message, Message):
        return
    try:
        request = a2a.classify_rpc(message, version)
    except (Malformed, NotUnderstood):
        return
    document = plain_json(body)
    assert isinstance(document, dict)
    assert request.binding is Binding.JSONRPC
    assert request.method == document["method"]
    assert request.id == document["id"]
    assert request.method in a2a.KNOWN_METHODS
    assert version in ("", request.version) or not version.startswith("1.0")
    _check_urls(request, document.get("params", {}))


def _check_rest(method: str, path: str, query: str, version: str, body: bytes) -> None:
    if a2a.is_card(method, path):
        assert a2a.card_request(method, path).operation is Operation.CARD
    try:
        request = a2a.classify_rest(method, path, query, version, body)
    except (Malformed, NotUnderstood):
        return
    assert request.binding is Binding.REST
    assert unquote(path) == path
    assert "//" not in path
    assert not {".", ".."} & set(path.split("/"))
    assert not set(path) & set("\\;?# \t\r\n\0")
    if body:
        _check_urls(request, plain_json(body))


def _check_urls(request: A2aRequest, params: object) -> None:
    """Every URL where a push configuration has one is among those that are judged."""
    if request.operation not in (Operation.SEND, Operation.STREAM, Operation.PUSH_SET):
        return
    assert isinstance(params, dict)
    for found in _pushed(params):
        assert not found or found in request.push_urls


def _pushed(value: dict[str, object]) -> list[object]:
    found: list[object] = []
    for key, inner in value.items():
        if isinstance(inner, dict) and key.replace("_", "").casefold() in _CONFIGS:
            found += [inner["url"]] if isinstance(inner.get("url"), str) else []
            found += _pushed(inner)
    return found
