"""What a call is: decided from the authority that will be dialled, and from the parsed body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from amaze_proxy.pipeline.refusal import Refused
from amaze_proxy.policy.decision import Reason
from amaze_proxy.policy.request import CallKind, HttpCall, LlmCall, Resource
from amaze_proxy.policy.usage import Charge
from amaze_proxy.protocols.errors import Malformed, TooLarge
from amaze_proxy.protocols.llm import LlmRequest, parse_request, wants_body
from amaze_proxy.protocols.prices import Price
from amaze_proxy.protocols.providers import LlmRoute, provider_of, route
from amaze_proxy.protocols.strictjson import decode_content
from amaze_proxy.wire.authority import Authority

_DEFAULT_PORT = {"http": 80, "https": 443}
_UTF8 = frozenset(("charset=utf-8", 'charset="utf-8"', "charset=utf8"))


class Prices(Protocol):
    """What classification needs of the price book."""

    def price(self, provider: str, model: str, input_tokens: int | None = None) -> Price | None: ...
    def worst_case(self, provider: str) -> Price: ...


@dataclass(frozen=True, slots=True)
class Head:
    """The request before its body: where it goes and what is asked there."""

    authority: Authority
    method: str
    path: str
    headers: Mapping[bytes, bytes]
    query: str = ""

    @property
    def request_target(self) -> str:
        return f"{self.path}?{self.query}" if self.query else self.path

    def text(self, name: bytes) -> str | None:
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")


@dataclass(frozen=True, slots=True)
class Call:
    """A classified call. `llm` is the parsed request of a model call, None for any other."""

    kind: CallKind
    resource: Resource
    target: str
    charge: Charge = Charge()
    body: bytes = b""  # as it came, of a model call
    llm: LlmRequest | None = None
    route: LlmRoute | None = None

    @property
    def provider(self) -> str:
        return self.route.provider if self.route else ""


def llm_route(head: Head) -> LlmRoute | None:
    """The LLM API that the head addresses; None when the host is no LLM provider's.

    Raises Refused when it is one, but what is asked of it is not understood.
    """
    provider = provider_of(head.authority.host)
    if provider is None:
        return None
    if head.authority.port != _DEFAULT_PORT[head.authority.scheme]:
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


def classify_http(head: Head) -> Call:
    """A call of any other host; its body is not looked into."""
    host = head.authority.host
    return Call(CallKind.HTTP, HttpCall(host), head.authority.netloc)


def classify_llm(head: Head, found: LlmRoute, body: bytes, prices: Prices, limit: int) -> Call:
    """A model call. Raises Refused (`malformed-request`) when the body is not unambiguous."""
    try:
        _check_media_type(head, found)
        plain = decode_content(body, head.text(b"content-encoding"), limit)
        request = parse_request(found.family, plain, head.method)
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
    return Call(CallKind.LLM, resource, head.authority.netloc, charge, body, request, found)


def _check_media_type(head: Head, found: LlmRoute) -> None:
    """The body is decided on as JSON, so it must not be declared as anything else: a provider
    that goes by the declaration would read another request. Raises Malformed."""
    declared = head.text(b"content-type")
    if declared is None or not wants_body(found.family):
        return
    kind, *parameters = (part.strip().lower() for part in declared.split(";"))
    others = [part for part in parameters if part.startswith("charset") and part not in _UTF8]
    if kind != "application/json" or others:
        raise Malformed(f"the Content-Type {declared[:80]!r} is not application/json in UTF-8")


def route_or_none(head: Head) -> LlmRoute | None:
    """The LLM API that the head addresses, for the shape of a refusal."""
    provider = provider_of(head.authority.host)
    return route(provider, head.method, head.request_target) if provider else None
