"""What we decide on is what a reader of plain JSON finds in the body, and no header says else."""

from __future__ import annotations

from amaze_proxy.protocols import mcp
from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.jsonrpc import Message, read_body
from amaze_proxy.protocols.mcp import McpHead, McpRequest, NotUnderstood, Operation
from tests.fuzz.pieces import alike, plain_json

_URIS = ("resources/read", "resources/subscribe", "resources/unsubscribe")


def check(data: bytes) -> None:
    """`data`: header lines, an empty line, the body."""
    lines, _, body = data.partition(b"\n\n")
    pairs = [line.partition(b":")[::2] for line in lines.split(b"\n")]
    try:
        head = mcp.read_head((name.lower(), value.strip()) for name, value in pairs)
    except Malformed:
        head = McpHead()
    try:
        read = read_body(body)
    except Malformed:
        return
    document = plain_json(body)
    if isinstance(read, Message):
        _check_message(read, document, head)
    else:
        assert isinstance(document, list)
        for message, one in zip(read, document, strict=True):
            _check_message(message, one, head)


def _check_message(message: Message, document: object, head: McpHead) -> None:
    try:
        request = mcp.classify(message, head)
    except (Malformed, NotUnderstood):
        return
    assert isinstance(document, dict)
    if request.operation is Operation.REPLY:
        assert "method" not in document
        return
    assert request.method == document["method"]
    assert request.method in mcp.KNOWN_METHODS
    assert head.method in ("", request.method)
    assert (request.operation is Operation.NOTE) == ("id" not in document)
    params = document.get("params", {})
    _check_named(request, params)
    told = [params[key] for key in ("name", "uri", "taskId") if key in params]
    assert not head.name or head.name in told
    version = params.get("_meta", {}) or {}
    assert version.get("io.modelcontextprotocol/protocolVersion", head.version) == head.version


def _check_named(request: McpRequest, params: dict[str, object]) -> None:
    assert (request.operation is Operation.TOOL) == (request.method == "tools/call")
    if request.operation is Operation.TOOL:
        assert request.tool
        assert request.tool == params["name"]
        assert alike(request.arguments, params.get("arguments") or {})
    if request.method == "prompts/get":
        assert request.prompt
        assert request.prompt == params["name"]
    if request.method in _URIS:
        assert request.uris == (params["uri"],)
    assert (request.operation is Operation.RESOURCE) == bool(request.uris)
    assert (request.operation is Operation.PROMPT) == bool(request.prompt)
