"""The head of a forwarded request: what is passed on, what is ours. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from amaze_proxy.wire.authority import Authority
from amaze_proxy.wire.fields import HOP_BY_HOP, Headers

# Made anew by us, or answered by us.
_OURS = HOP_BY_HOP | {b"host", b"content-length", b"expect"}
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


def declared_length(headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    """The Content-Length among `headers`; None when there is none. Raises ValueError."""
    for name, value in headers:
        if name.lower() == b"content-length":
            return int(value)
    return None


def forwarded_headers(
    headers: Iterable[tuple[bytes, bytes]],
    authority: Authority,
    via: bytes,
    keep: Collection[bytes] = (),
) -> Headers:
    """The fields that go to the upstream, framing excepted: Host from the authority that was
    decided on, no hop-by-hop, `Proxy-*` or `X-Amaze-*` field (but those in `keep`), our Via."""
    forwarded: Headers = [(b"host", authority.netloc.encode("ascii"))]
    for field in headers:
        name = field[0].lower()
        if name in _OURS:
            continue
        # CGI and WSGI servers read `x_amaze_caller` as `x-amaze-caller` (RFC 3875 §4.1.18).
        if name.replace(b"_", b"-").startswith((b"x-amaze-", b"proxy-")) and name not in keep:
            continue
        forwarded.append(field)
    forwarded.append((b"via", via))
    return forwarded


def framing(method: str, length: int | None) -> Headers:
    """The field that says how long the body is; None: not known, so chunked (RFC 9110 §8.6)."""
    if length is None:
        return [(b"transfer-encoding", b"chunked")]
    if length or method in _WITH_BODY:
        return [(b"content-length", b"%d" % length)]
    return []
