"""Calls from agent to agent: what they ask for, who may, and what the callee is told."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qsl

from amaze_proxy.pipeline.calls import Call, Head, Way, check_json
from amaze_proxy.pipeline.directory import AgentPlace, authority_of
from amaze_proxy.pipeline.evidence import new_id
from amaze_proxy.pipeline.handling import EVENT_STREAM, Passing, Reader
from amaze_proxy.pipeline.refusal import Refused
from amaze_proxy.pipeline.usage import Used
from amaze_proxy.policy import callers, turn
from amaze_proxy.policy.callers import CallerClaim
from amaze_proxy.policy.decision import Reason
from amaze_proxy.policy.request import AgentCall, AgentLook, CallKind, HttpCall, Resource
from amaze_proxy.policy.turn import Turn
from amaze_proxy.policy.usage import Charge
from amaze_proxy.protocols.a2a import (
    A2aRequest,
    Binding,
    NotUnderstood,
    Stream,
    card_request,
    classify_rest,
    classify_rpc,
    failed,
    interfaces,
    is_card,
)
from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.jsonrpc import Message, read_body
from amaze_proxy.protocols.providers import provider_of
from amaze_proxy.store.agents import AgentStatus
from amaze_proxy.store.peers import Callee
from amaze_proxy.wire.authority import Authority, AuthorityError

CALLER, SIGNATURE, TURN = b"x-amaze-caller", b"x-amaze-caller-signature", b"x-amaze-turn"
"""What a callee, and nobody else, gets of our headers."""

_ONE_CALL = Charge(agent_calls=1)
_MOST_SIGNATURES = 32  # as many as the SDK looks at; an agent holds 16, and some in grace
# What a path of the REST binding has, wherever it is mounted and whatever its case: a server that
# goes by it would run another operation than the body's method says.
_MAYBE_REST = re.compile(r":|/pushnotificationconfigs", re.IGNORECASE)
_MEDIA_TYPES = frozenset(("application/json", "application/a2a+json"))


def classify_a2a(place: AgentPlace, head: Head, body: bytes) -> Call:
    """A request to an agent. Raises Malformed."""
    if place.chat:
        advice = f"send it as A2A to http://{place.agent_id}/"
        message = f"agent {place.agent_id!r} takes its users' messages there, not other agents'"
        return _barred(place, Refused(Reason.NOT_ALLOWED, message, advice=advice))
    try:
        request = _read(head, body)
    except NotUnderstood as error:
        message = f"agent {place.agent_id!r}: {error}"
        advice = "docs/compatibility.md lists the A2A operations that can be decided on"
        return _barred(place, Refused(Reason.NOT_ALLOWED, message, advice=advice))
    sends = request.operation.sends
    resource = AgentCall(place.agent_id) if sends else AgentLook(place.agent_id)
    return Call(
        CallKind.A2A,
        resource,
        place.agent_id,
        _ONE_CALL if sends else Charge(),
        body,
        a2a=request,
        also=tuple(_webhooks(request)),
        rpc_method=request.method,
        path=head.request_target.encode("ascii", "replace"),
    )


def _read(head: Head, body: bytes) -> A2aRequest:
    if is_card(head.method, head.path):
        if body:
            raise Malformed("a request for an agent card has no body")
        return card_request(head.method, head.path)
    if body and b"content-type" in head.headers:
        check_json(head, _MEDIA_TYPES)
    version = _version(head)
    # The path decides first: a server that has both bindings goes by it.
    request = _rest(head, version, body)
    if request is not None:
        return request
    message = read_body(body)
    if not isinstance(message, Message):
        raise Malformed("A2A has no batches")
    return classify_rpc(message, version)


def _rest(head: Head, version: str, body: bytes) -> A2aRequest | None:
    """The request of the REST binding; None: its path is not one of it, and it may be JSON-RPC."""
    path = head.path.rstrip("/")
    if not path and head.method == "POST":
        return None
    try:
        request = classify_rest(head.method, path or head.path, head.query, version, body)
    except NotUnderstood:
        if head.method != "POST" or _MAYBE_REST.search(path):
            raise
        return None
    if path != head.path:
        raise Malformed("a path of A2A's REST binding has no slash at its end")
    return request


def _version(head: Head) -> str:
    told = [value for name, value in parse_qsl(head.query) if name.lower() == "a2a-version"]
    header = head.text(b"a2a-version")
    if header is not None:
        told.append(header.strip())
    if len(set(told)) > 1:
        raise Malformed("A2A-Version is told twice and differs")
    return told[0] if told else ""


def unknown_agent(head: Head, message: Message, body: bytes) -> Call:
    """A2A at a place that nobody registered."""
    target = head.authority.netloc
    try:
        request = classify_rpc(message, _version(head))
    except (NotUnderstood, Malformed):
        request = None
    why = Refused(
        Reason.NOT_ALLOWED,
        f"{target} is no agent that is registered here",
        advice="call agents by their names (http://<agent_id>/), or have them register",
    )
    resource = HttpCall(head.authority.host)
    return Call(CallKind.A2A, resource, target, body=body, a2a=request, barred=why)


def _barred(place: AgentPlace, why: Refused) -> Call:
    return Call(CallKind.A2A, AgentLook(place.agent_id), place.agent_id, barred=why)


def _webhooks(request: A2aRequest) -> Iterator[Resource]:
    for url in request.push_urls:
        try:
            # Strictly: `http://a\@b/` is at b to some readers, and at a to others.
            yield HttpCall(authority_of(url).host)
        except (AuthorityError, ValueError):
            message = "the URL for push notifications is no plain http(s) URL with a host"
            raise Malformed(message) from None


@dataclass(frozen=True, slots=True)
class Hopping:
    """The callee as the store has it, and the turn that this call is of it."""

    callee: Callee
    refused: Refused | None
    way: Way | None


def reached(callee: Callee, path: bytes) -> Hopping:
    """Whether the callee can be called, and where it is."""
    name = callee.agent_id
    if callee.status is not AgentStatus.APPROVED:
        state = callee.status.value if callee.status else "not known"
        why = Refused(
            Reason.NOT_ALLOWED,
            f"agent {name!r} is {state}, so it takes no calls",
            advice=f"an operator can change that: `amaze agents show {name}`",
        )
        return Hopping(callee, why, None)
    if provider_of(callee.host):
        why = Refused(
            Reason.NOT_ALLOWED,
            f"agent {name!r} is registered at a model provider's host, where no agent is",
            advice="an operator can change that: `amaze agents endpoint`",
        )
        return Hopping(callee, why, None)
    if not callee.port:
        why = Refused(
            Reason.UPSTREAM_UNREACHABLE,
            f"agent {name!r} has not said where it takes A2A calls",
            advice=f"it does so when it registers, or by `amaze agents endpoint {name} HOST:PORT`",
        )
        return Hopping(callee, why, None)
    return Hopping(callee, None, Way(Authority("http", callee.host, callee.port), path))


def told_to_callee(
    turn_key: bytes, caller: str, callee: Callee, trace_id: str, span_id: str, depth: int
) -> list[tuple[bytes, bytes]]:
    """Who calls, in which turn, signed with each credential that the callee may know."""
    now = time.time_ns() // 1_000_000
    fresh = Turn(callee.agent_id, new_id(16), trace_id, span_id, now, depth)
    token = turn.mint(turn_key, fresh)
    claim = CallerClaim(caller, callee.agent_id, token, now)
    known = callee.credentials[:_MOST_SIGNATURES]
    signatures = ",".join(callers.sign(bytes.fromhex(one), claim) for one in known)
    return [
        (CALLER, caller.encode()),
        (SIGNATURE, signatures.encode()),
        (TURN, token.encode()),
    ]


class A2aHandling(Passing):
    """One call of an agent. Answers and cards pass unchanged: they may be signed."""

    looks_inside = True
    early = True

    def __init__(self, call: Call, request: A2aRequest, head: Head) -> None:
        self._request = request
        # What was read is what is sent, without the coding that it came in.
        self._decoded = call.body if b"content-encoding" in head.headers else None
        self._stream: Stream | None = None
        self._failed = False
        self._urls: tuple[str, ...] = ()

    def edited(self) -> bytes | None:
        return self._decoded

    def reader(self, media_type: bytes) -> Reader | None:
        if media_type != EVENT_STREAM:
            return None
        self._stream = Stream(self._request)
        return self._stream

    def whole(self, media_type: bytes, body: bytes) -> tuple[bytes, bytes] | None:
        if self._request.binding is Binding.CARD:
            self._urls = interfaces(body)
        else:
            self._failed = failed(self._request, body)
        return None

    def card_urls(self) -> tuple[str, ...]:
        return self._urls

    def used(self) -> Used:
        stream_failed = self._stream is not None and self._stream.failed
        return Used(burn_step=not (self._failed or stream_failed))
