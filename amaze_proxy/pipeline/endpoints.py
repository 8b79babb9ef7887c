"""Where an MCP server takes messages: its registered path, and on HTTP+SSE (2024-11-05) the URL
that its `endpoint` event gives. That is marked on its way to the client, so that nobody posts
anywhere else on the server's machine.
"""

from __future__ import annotations

import re
from dataclasses import replace

from amaze_proxy.pipeline.calls import Head, Way, with_query
from amaze_proxy.pipeline.directory import ServerPlace, authority_of
from amaze_proxy.pipeline.refusal import Refused
from amaze_proxy.pipeline.seal import Seal
from amaze_proxy.policy.decision import Reason
from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.wire.authority import Authority

# The endpoint event gives the URL for messages, which names the session.
_SESSION_IN_URL = re.compile(r"(?:^|&)session_?id=[^&]", re.IGNORECASE)
# A backslash is a slash to some readers of URLs.
_URL = re.compile(r"[!-\[\]-~]{1,4096}")
_MARK = "amaze-endpoint="
_MARKED = re.compile(rf"(?:(?P<query>.*)&)?{_MARK}(?P<mark>[0-9a-f]{{32}})")


def is_legacy(head: Head) -> bool:
    """Whether the answer to this POST comes on a stream of its own (HTTP+SSE, 2024-11-05)."""
    return b"mcp-session-id" not in head.headers and bool(_SESSION_IN_URL.search(head.query))


def at_endpoint(place: ServerPlace, head: Head, seal: Seal) -> Head:
    """The head of a POST as the server is to get it, without our mark (see `marked`).

    Raises Refused for a place where the server does not take messages: beside them may be the very
    interfaces that its tools stand for.
    """
    if (match := _MARKED.fullmatch(head.query)) is not None:
        bare = replace(head, query=match["query"] or "")
        target = with_query(place.path, bare.query)
        said = _place(place.server.name, authority_of(place.server.url), target)
        if seal.marked(said, match["mark"]):
            return bare
    if place.own:
        return head
    raise Refused(
        Reason.MCP_NOT_ALLOWED,
        f"{place.path[:200]} is not where MCP server {place.server.name!r} takes messages",
        advice=f"use http://{place.server.name}/mcp, or the path that it is registered with",
    )


def _place(server: str, authority: Authority, target: str) -> str:
    return f"{server} {authority}{target}"


def marked(data: str, server: str, way: Way, client: Authority, seal: Seal) -> tuple[str, Way]:
    """What the client gets of an `endpoint` event, and where that leads.

    `way` is the server's stream, `client` the authority that its client knows it by. A path: with
    an origin, the client would leave that name. Raises Malformed for one that leads elsewhere.
    """
    for authority in (way.authority, client):
        if (path := _path_at(data, authority)) is not None:
            mark = seal.mark(_place(server, way.authority, path))
            to_client = f"{path}{'&' if '?' in path else '?'}{_MARK}{mark}"
            return to_client, replace(way, path=path.encode("ascii"))
    raise Malformed("its endpoint event leads to another origin")


def _path_at(url: str, authority: Authority) -> str | None:
    """The path and query of a URL at the authority, or of a relative one."""
    if not _URL.fullmatch(url):
        return None
    if url.startswith("/") and not url.startswith("//"):
        return url
    for origin in (str(authority), f"{authority.scheme}://{authority.host}:{authority.port}"):
        if url.startswith(f"{origin}/"):
            return url[len(origin) :]
    return None
