"""Requests of the REST binding (HTTP+JSON) of 1.0, and of 0.3 under /v1; and for agent cards."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import parse_qsl

from amaze_proxy.protocols.a2a import params
from amaze_proxy.protocols.a2a.members import Keys, fold, identifier
from amaze_proxy.protocols.a2a.params import Params
from amaze_proxy.protocols.a2a.request import A2aRequest, Binding, NotUnderstood, Operation
from amaze_proxy.protocols.a2a.versions import BEFORE_1_0, HEADER, V0_2, V0_3, V1_0, agreed
from amaze_proxy.protocols.errors import Malformed
from amaze_proxy.protocols.strictjson import JsonObject, parse_object

_MOST_PARAMETERS = 32
_LONGEST_PATH = 4096
_LONGEST_QUERY = 16 * 1024

# No percent sign: what one reader decodes before it looks for a route, another does not. No
# semicolon: some servers cut a segment off there.
_PATH = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~@!$&'()*+,=:-]+)+")
_ID = r"[A-Za-z0-9._~@!$&'()*+,=-]+"
_TASK = rf"tasks/(?P<task>{_ID})"
_CARD = re.compile(r"/\.well-known/agent(?P<new>-card)?\.json\Z")
_LIST_KEYS = Keys("contextId")
_NEEDS_BODY = frozenset({Operation.SEND, Operation.STREAM, Operation.PUSH_SET})

Versions = tuple[str, ...]
_ONLY_1_0 = (V1_0,)
# A header that says 1.0 makes the v1 a tenant: both are read alike.
_UNDER_V1 = (V0_3, V0_2, V1_0)


class _Route(NamedTuple):
    """`plain` and `v1`: the versions that have the path without a prefix, and under /v1."""

    method: str
    path: re.Pattern[str]
    operation: Operation
    plain: Versions = _ONLY_1_0
    v1: Versions = _UNDER_V1


class _Found(NamedTuple):
    operation: Operation
    task_id: str
    versions: Versions


def _route(
    method: str,
    path: str,
    operation: Operation,
    plain: Versions = _ONLY_1_0,
    v1: Versions = _UNDER_V1,
) -> _Route:
    return _Route(method, re.compile(path), operation, plain, v1)


_CONFIGS = rf"{_TASK}/pushNotificationConfigs"
_ROUTES = (
    _route("POST", r"message:send", Operation.SEND),
    _route("POST", r"message:stream", Operation.STREAM),
    _route("GET", r"tasks", Operation.LIST),
    _route("GET", _TASK, Operation.GET),
    _route("POST", rf"{_TASK}:cancel", Operation.CANCEL),
    # the specification's prose says POST, its Protocol Buffers say GET
    _route("POST", rf"{_TASK}:subscribe", Operation.SUBSCRIBE),
    _route("GET", rf"{_TASK}:subscribe", Operation.SUBSCRIBE),
    _route("POST", _CONFIGS, Operation.PUSH_SET),
    _route("GET", _CONFIGS, Operation.PUSH_LIST),
    _route("GET", rf"{_CONFIGS}/{_ID}", Operation.PUSH_GET),
    _route("DELETE", rf"{_CONFIGS}/{_ID}", Operation.PUSH_DELETE),
    _route("GET", r"extendedAgentCard", Operation.EXTENDED_CARD, v1=_ONLY_1_0),
    _route("GET", r"card", Operation.EXTENDED_CARD, plain=(), v1=BEFORE_1_0),
    # of the JSON-RPC agents of 0.2 and 0.3, which had no method for it at first
    _route("GET", r"agent/authenticatedExtendedCard", Operation.EXTENDED_CARD, BEFORE_1_0, ()),
)


def is_card(method: str, path: str) -> bool:
    """Whether the request is for an agent's public card."""
    return method in ("GET", "HEAD") and _plain(path) and _CARD.search(path) is not None


def card_request(method: str, path: str) -> A2aRequest:
    """The request for a public card. Raises NotUnderstood if `is_card` says no."""
    found = _CARD.search(path) if is_card(method, path) else None
    if found is None:
        raise NotUnderstood("this is not a request for an agent card")
    version = V1_0 if found["new"] else V0_2
    return A2aRequest(Binding.CARD, Operation.CARD, version, f"{method} {path}")


def classify_rest(method: str, path: str, query: str, version: str, body: bytes) -> A2aRequest:
    """What a request of the REST binding asks for.

    `path` is as it came, percent-encoding and all, without the agent's base; `version` is the
    value of A2A-Version, or "". Raises Malformed, NotUnderstood.
    """
    if not _plain(path):
        raise Malformed("a path of A2A has plain segments: no percent-encoding, no // and no ..")
    parameters = _parameters(query)
    found = _find(method, path)
    told = _told(parameters, version)
    read = _read(found, method, parameters, body)
    return A2aRequest(
        binding=Binding.REST,
        operation=found.operation,
        version=agreed(found.versions, told),
        method=f"{method} {path}",
        stream=found.operation.streams,
        push_urls=read.push_urls,
        context_id=read.context_id,
        task_id=found.task_id or read.task_id,
    )


def _plain(path: str) -> bool:
    return len(path) <= _LONGEST_PATH and _PATH.fullmatch(path) is not None


def _find(method: str, path: str) -> _Found:
    for rest, prefix in _prefixes(path[1:]):
        for route in _ROUTES:
            versions = _versions(route, prefix)
            match = route.path.fullmatch(rest) if versions and route.method == method else None
            if match is not None:
                return _Found(route.operation, match.groupdict().get("task", ""), versions)
    raise NotUnderstood(f"{method} {path[:128]} is not a method of A2A that is understood")


def _prefixes(path: str) -> Iterator[tuple[str, str]]:
    """The ways to read a path, with and without its first segment, as a server tries them."""
    yield path, ""
    first, _, rest = path.partition("/")
    if rest:
        yield rest, first


def _versions(route: _Route, prefix: str) -> Versions:
    if not prefix:
        return route.plain
    if prefix == "v1":
        return route.v1
    return _ONLY_1_0 if V1_0 in route.plain else ()  # a tenant's


def _parameters(query: str) -> JsonObject:
    if ";" in query:
        raise Malformed("the query must not have a ';': some readers take it for an '&'")
    if not query:
        return {}
    if len(query) > _LONGEST_QUERY:
        raise Malformed(f"the query is longer than {_LONGEST_QUERY} characters")
    try:
        pairs = parse_qsl(
            query,
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=_MOST_PARAMETERS,
        )
    except ValueError:
        raise Malformed("the query is not a list of name=value in UTF-8") from None
    if len(dict(pairs)) != len(pairs):
        raise Malformed("the query has a parameter twice")
    return dict(pairs)


def _told(parameters: JsonObject, version: str) -> str:
    """The version in the header or in the query (§3.6)."""
    for name in parameters:
        if name != HEADER and fold(name) == fold(HEADER):
            raise Malformed(f"the parameter {name[:64]!r} is not spelled {HEADER!r}")
    told = str(parameters.get(HEADER, ""))
    if told and version and told != version:
        raise Malformed(f"{HEADER} is not the same in the header and in the query")
    return told or version


def _read(found: _Found, method: str, parameters: JsonObject, body: bytes) -> Params:
    if method != "POST":
        if body:
            raise Malformed(f"a {method} request of A2A has no body")
        return Params(context_id=identifier(_LIST_KEYS.read(parameters), "contextId"))
    # some frameworks bind parameters of the query and members of the body to one model
    params.PARAMS.refuse(parameters)
    if not body and found.operation not in _NEEDS_BODY:
        return Params()
    read = params.read(found.operation, parse_object(body))
    own = read.task_id if found.operation is Operation.PUSH_SET else read.id
    if own and found.task_id and own != found.task_id:
        raise Malformed("the path and the body name different tasks")
    return read
