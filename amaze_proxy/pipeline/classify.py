"""What a call is: decided from the authority that will be dialled, and from the parsed body."""

from __future__ import annotations

from typing import Protocol
from urllib.parse import urlsplit

from amaze_proxy.pipeline import a2a_calls, mcp_calls
from amaze_proxy.pipeline.calls import JSON_KINDS, Call, Head, Way, check_json, with_query
from amaze_proxy.pipeline.directory import HostPlace, Place, authority_of
from amaze_proxy.pipeline.refusal import Refused
from amaze_proxy.policy.decision import Reason
from amaze_proxy.policy.request import CallKind, HttpCall, LlmCall
from amaze_proxy.policy.usage import Charge
from amaze_proxy.protocols import a2a, mcp
from amaze_proxy.protocols.errors import Malformed, TooLarge
from amaze_proxy.protocols.jsonrpc import read_body
from amaze_proxy.protocols.llm import parse_request, wants_body
from amaze_proxy.protocols.prices import Price
from amaze_proxy.protocols.providers import Family, LlmRoute, dialect_route, provider_of, route
from amaze_proxy.protocols.strictjson import decode_content
from amaze_proxy.wire.authority import DEFAULT_PORTS

_MOST_SNIFFED = 1 << 20  # bytes


class Prices(Protocol):
    """What classification needs of the price book."""

    def price(self, provider: str, model: str, input_tokens: int | None = None) -> Price | None: ...
    def worst_case(self, provider: str) -> Price: ...


def llm_route(head: Head) -> LlmRoute | None:
    """The LLM API that the head addresses; None when the host is no LLM provider's.

    Raises Refused when it is one, but what is asked of it is not understood.
    """
    provider = provider_of(head.authority.host)
    if provider is None:
        return None
    if head.authority.port != DEFAULT_PORTS[head.authority.scheme]:
        # As any other host it would be a model call that nobody meters.
        raise Refused(
            Reason.LLM_NOT_ALLOWED,
            f"{head.authority} is provider {provider!r} on a port of its own, which is not a call "
            "that aMaze understands, so it cannot be decided",
            advice="use the provider's usual address; AMAZE_UPSTREAMS says where it really is",
        )
    found = route(provider, head.method, head.request_target)
    if found is None:
        raise Refused(
            Reason.LLM_NOT_ALLOWED,
            f"{head.method} {head.path} of provider {provider!r} is not a call that aMaze "
            "understands, so it cannot be decided",
            advice="use one of the API paths that docs/compatibility.md lists",
        )
    return found


def host_route(head: Head, place: HostPlace) -> LlmRoute:
    """The LLM API that is addressed at a registered host. Raises Refused."""
    name, target = place.host.name, with_query(place.path, head.query)
    found = dialect_route(place.host.dialect, name, head.method, target)
    if found is None:
        raise Refused(
            Reason.LLM_NOT_ALLOWED,
            f"{head.method} {place.path} of LLM host {name!r} is not a call that aMaze "
            f"understands in the dialect {place.host.dialect!r}, so it cannot be decided",
            advice="use one of the API paths that docs/compatibility.md lists",
        )
    return found


def way_to_host(head: Head, place: HostPlace) -> Way:
    """Where the registered host is: the path as it is below its base URL."""
    base = urlsplit(place.host.url).path.rstrip("/")
    path = with_query(base + place.path, head.query)
    return Way(authority_of(place.host.url), path.encode("ascii", "replace"))


def classify_http(head: Head, body: bytes | None = None) -> Call:
    """A call of any other host; `body` where it was read already."""
    host = head.authority.host
    return Call(CallKind.HTTP, HttpCall(host), head.authority.netloc, body=body)


def sniffed(head: Head, body: bytes) -> Call | None:
    """A call that speaks MCP or A2A to a place that nobody registered, if it is one."""
    try:
        found = read_body(body)
    except Malformed:
        return None  # no server of these protocols would take it either
    first = found[0] if isinstance(found, tuple) else found
    if first.method in mcp.KNOWN_METHODS:
        return mcp_calls.unknown_server(head, None if first is not found else first, body)
    if first.method in a2a.KNOWN_METHODS:
        return a2a_calls.unknown_agent(head, first, body)
    return None


def may_be_rpc(head: Head) -> bool:
    """Whether the body of a request to any host is worth a look: a short POST of JSON."""
    declared = (head.text(b"content-type") or "").partition(";")[0].strip().lower()
    length = head.text(b"content-length") or ""
    small = length.isdecimal() and int(length[:12]) <= _MOST_SNIFFED
    return head.method == "POST" and declared == "application/json" and small


def classify_llm(
    head: Head,
    found: LlmRoute,
    body: bytes,
    prices: Prices,
    limit: int,
    place: HostPlace | None = None,
) -> Call:
    """A model call, of a provider or of a registered host (`place`).

    Raises Refused (`malformed-request`) when the body is not unambiguous.
    """
    try:
        _check_media_type(head, found)
        plain = decode_content(body, head.text(b"content-encoding"), limit)
        request = parse_request(found.family, plain, head.method, found.model)
    except TooLarge as error:
        raise Refused(Reason.REQUEST_TOO_LARGE, str(error)) from None
    except Malformed as error:
        raise Refused(Reason.MALFORMED_REQUEST, f"the request body is refused: {error}") from None
    known = (
        prices.price(found.provider, request.model, request.input_tokens) if request.model else None
    )
    price = known or prices.worst_case(found.provider)
    resource = LlmCall(
        provider=found.provider,
        model=request.model,
        price_known=known is not None or not request.model,
        provider_tools=request.provider_tools,
    )
    charge = Charge(
        input_tokens=request.input_tokens,
        output_limit=request.output_limit,
        mean_key=f"{found.provider}/{request.model}" if request.model else "",
        input_price=price.input,
        output_price=price.output,
    )
    return Call(
        CallKind.LLM,
        resource,
        place.host.name if place else head.authority.netloc,
        charge,
        body,
        llm=request,
        route=found,
        entry=place.host.name if place else "",
        entry_url=place.host.url if place else "",
        way=way_to_host(head, place) if place else None,
    )


def _check_media_type(head: Head, found: LlmRoute) -> None:
    """See `check_json`. Raises Malformed."""
    if b"content-type" in head.headers and wants_body(found.family):
        check_json(head, JSON_KINDS)


def spoken(head: Head, place: Place | None) -> tuple[str, Family | None]:
    """For the shape of a refusal: the provider that the head addresses, or the dialect of the
    registered host, and the wire family where what is asked there is known."""
    if provider := provider_of(head.authority.host):
        found = route(provider, head.method, head.request_target)
    elif isinstance(place, HostPlace):
        provider, target = place.host.dialect, with_query(place.path, head.query)
        found = dialect_route(provider, provider, head.method, target)
    else:
        return "", None
    return provider, found.family if found else None
