"""Whatever a server answers, a lenient client sees nothing in it that the policy denies."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from amaze_proxy.protocols import mcp
from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.jsonrpc import Message, read_body
from amaze_proxy.protocols.mcp import McpHead, McpRequest, Screen, Told, classify
from tests.fuzz.pieces import bytewise, choose

_FORMS = ("json-list", "json-call", "events-list", "events-call", "stream")
_ALLOWED = "a"
_GOVERNED = ("sampling/createMessage", "elicitation/create")
_LISTS = {
    "tools": "name",
    "prompts": "name",
    "resources": "uri",
    "resourceTemplates": "uriTemplate",
}


class _May:
    """A policy that allows what is called `a`, and no feature."""

    filters = True

    def tool(self, name: str, fingerprint: str) -> bool:
        return name == _ALLOWED

    def prompt(self, name: str) -> bool:
        return name == _ALLOWED

    resource = prompt

    def feature(self, method: str) -> str:
        return "denied"


def check(data: bytes) -> None:
    form, answer = choose(data, _FORMS)
    request = None if form == "stream" else _request(form.endswith("list"))
    whole = _screened(form, request, [answer])
    if whole is not None:
        shown = _documents(form, whole)
        for document in shown:
            _check_shown(document, request)
        assert _screened(form, request, [whole]) == whole, "screening again changes it"
    if not form.startswith("json"):
        assert _screened(form, request, bytewise(answer)) == whole


def _request(lists: bool) -> McpRequest:
    params = b"{}" if lists else b'{"name":"a"}'
    method = b"tools/list" if lists else b"tools/call"
    body = b'{"jsonrpc":"2.0","id":1,"method":"%b","params":%b}' % (method, params)
    message = read_body(body)
    assert isinstance(message, Message)
    return classify(message, McpHead())


def _screened(form: str, request: McpRequest | None, pieces: Iterable[bytes]) -> bytes | None:
    """What the client gets; None: refused."""
    try:
        if form.startswith("json"):
            assert request is not None
            return mcp.screen(request, b"".join(pieces), _May(), Told())
        screen = Screen(request, _May(), Told())
        return b"".join([screen.feed(piece) for piece in pieces]) + screen.end()
    except Malformed:
        return None


def _documents(form: str, shown: bytes) -> Iterator[dict[str, object]]:
    """The messages that a client finds that reads as leniently as there are any."""
    texts = [shown.decode("utf-8")] if form.startswith("json") else _data(shown)
    for text in texts:
        for pairs in (dict, _first_wins):
            try:
                value = json.loads(text, object_pairs_hook=pairs)
            except ValueError:
                continue
            found = value if isinstance(value, list) else [value]
            yield from (one for one in found if isinstance(one, dict))


def _data(shown: bytes) -> Iterator[str]:
    data: list[str] = []
    for line in [*shown.decode("utf-8", "replace").splitlines(), ""]:
        if line.lstrip("\ufeff").startswith("data:"):
            data.append(line.partition(":")[2].strip())
        elif not line and data:
            yield "\n".join(data)
            data = []


def _first_wins(pairs: list[tuple[str, object]]) -> dict[str, object]:
    return dict(reversed(pairs))


def _check_shown(document: dict[str, object], request: McpRequest | None) -> None:
    assert document.get("method") not in _GOVERNED, "the server asks what the policy denies"
    result = document.get("result")
    if not isinstance(result, dict):
        return
    for asks in _inputs(result):
        assert asks.get("method") not in _GOVERNED
    if (request is not None and request.tool) or {"content", "structuredContent"} & result.keys():
        return
    for key, name in _LISTS.items():
        listed = result.get(key)
        if isinstance(listed, list):
            assert all(isinstance(one, dict) and one[name] == _ALLOWED for one in listed)
        else:
            assert listed is None


def _inputs(result: dict[str, object]) -> Iterator[dict[str, object]]:
    inputs = result.get("inputRequests")
    if isinstance(inputs, dict):
        yield from (asks for asks in inputs.values() if isinstance(asks, dict))
