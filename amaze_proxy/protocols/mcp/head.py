"""What the HTTP head says of an MCP call (2026-07-28 basic/transports/streamable-http).

Hints only: `classify` holds them against the body. They are read strictly all the same, since a
router in front of the server may go by them.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass

from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.mcp.versions import VERSIONS, is_stateless

_VERSION = b"mcp-protocol-version"
_METHOD = b"mcp-method"
_NAME = b"mcp-name"
_SESSION = b"mcp-session-id"
_PARAM = b"mcp-param-"
_ONCE = frozenset({_VERSION, _METHOD, _NAME, _SESSION})

_PRINTABLE = re.compile(rb"[ -~]*")
_MARK = "=?base64?"
_END = "?="


class HeaderMismatch(Malformed):
    """A header is unreadable or contradicts the body. The specification answers with 400 and the
    JSON-RPC error -32020."""


class UnknownVersion(Malformed):
    """A revision that was never released. The specification answers with 400 and the JSON-RPC
    error -32022."""

    def __init__(self, version: str) -> None:
        self.version = version[:32]
        super().__init__(f"MCP-Protocol-Version {self.version!r} is not known here")


@dataclass(frozen=True, slots=True)
class McpHead:
    """`version` "": no header told it. `method` and `name` (decoded) are "" where none was sent,
    and before 2026-07-28, where the specification gives them no meaning. `session`: there is an
    Mcp-Session-Id. `streams`: Accept lists text/event-stream."""

    version: str = ""
    method: str = ""
    name: str = ""
    session: bool = False
    streams: bool = False


def read_head(headers: Iterable[tuple[bytes, bytes]]) -> McpHead:
    """What the headers (lower-case names) say. Raises Malformed.

    Refused: MCP headers that come twice or are not printable ASCII, base64 that is not canonical,
    an Mcp-Name that is nearly marked as base64, versions that do not exist. Which argument an
    `Mcp-Param-*` mirrors is told by the tool's schema, which is not known here: that they agree is
    for the server to check, as the specification demands of it.
    """
    own: dict[bytes, str] = {}
    streams = False
    for name, value in headers:
        if name == b"accept":
            streams = streams or _lists_events(value)
        elif name in _ONCE or name.startswith(_PARAM):
            if name in own:
                raise HeaderMismatch(f"the header {_shown(name)} comes more than once")
            own[name] = _read(name, value)
    version = _version(own)
    routed = is_stateless(version)
    return McpHead(
        version=version,
        method=own.get(_METHOD, "") if routed else "",
        name=own.get(_NAME, "") if routed else "",
        session=_SESSION in own,
        streams=streams,
    )


def _lists_events(accept: bytes) -> bool:
    ranges = accept.lower().split(b",")
    return any(one.partition(b";")[0].strip() == b"text/event-stream" for one in ranges)


def _version(own: dict[bytes, str]) -> str:
    version = own.get(_VERSION)
    if version is not None and version not in VERSIONS:
        raise UnknownVersion(version)
    return version or ""


def _read(name: bytes, value: bytes) -> str:
    value = value.strip(b" \t")
    if not _PRINTABLE.fullmatch(value):
        raise HeaderMismatch(f"the header {_shown(name)} is not printable ASCII")
    text = value.decode("ascii")
    if name == _NAME or name.startswith(_PARAM):
        text = _decoded(name, text)
    if not text and name in _ONCE:
        raise HeaderMismatch(f"the header {_shown(name)} is empty")
    return text


def _decoded(name: bytes, text: str) -> str:
    if not text.lower().startswith(_MARK):
        return text
    # A near miss (other case, no end) is taken as it stands by one reader and decoded by another.
    if not (text.startswith(_MARK) and text.endswith(_END) and len(text) >= len(_MARK + _END)):
        if name != _NAME:
            return text  # as it stands, says the specification; here nothing goes by a parameter
        raise HeaderMismatch(f"the header {_shown(name)} has a broken base64 mark")
    payload = text[len(_MARK) : -len(_END)]
    try:
        raw = base64.b64decode(payload, validate=True)
        decoded = raw.decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        raise HeaderMismatch(f"the header {_shown(name)} is not UTF-8 in base64") from None
    if base64.b64encode(raw).decode("ascii") != payload:
        raise HeaderMismatch(f"the header {_shown(name)} is not canonical base64")
    return decoded


def _shown(name: bytes) -> str:
    return repr(name.decode("latin-1")[:64])
