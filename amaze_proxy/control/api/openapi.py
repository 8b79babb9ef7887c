"""The OpenAPI 3.1 description, made of the route table and the schemas."""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel

from amaze_proxy.control.api.answer_table import ANSWERS
from amaze_proxy.control.api.bodies import Body
from amaze_proxy.control.api.call import Entry
from amaze_proxy.control.api.idempotency import HEADER, creates
from amaze_proxy.control.api.principals import Role
from amaze_proxy.control.api.problems import MEDIA_TYPE
from amaze_proxy.policy.model import Policy

_PARAMETER = re.compile(r"{(\w+)}")
_REF = "#/components/schemas/{model}"
_PERSON: dict[str, list[str]] = {"personBearer": []}
_AGENT: dict[str, list[str]] = {"agentCredential": []}
_SECURITY: dict[Role, list[dict[str, list[str]]]] = {
    Role.PUBLIC: [],
    Role.AGENT: [_AGENT],
    Role.OWN: [_PERSON, _AGENT],
    Role.SELF: [_PERSON, _AGENT],
    Role.MEMBER: [_PERSON, _AGENT],
    Role.OPERATOR: [_PERSON],
    Role.STAFF: [_PERSON],
    Role.VIEWER: [_PERSON],
    Role.SIGNED_IN: [_PERSON],
    Role.PERSON: [_PERSON],
    Role.ADMIN: [_PERSON],
}
_QUERY = {
    ("GET", "/agents"): ("status", "after", "limit"),
    ("GET", "/mcp_servers"): ("status", "after", "limit"),
    ("GET", "/llms"): ("after", "limit"),
    ("GET", "/auth/users"): ("after", "limit"),
    ("GET", "/auth/api-keys"): ("after", "limit"),
    ("POST", "/register"): ("kind",),
    ("POST", "/audit/verify"): ("agent",),
    ("GET", "/export"): ("agent", "since", "until"),
    ("GET", "/agents/{agent_id}/audit"): ("cursor", "limit"),
    ("GET", "/agents/{agent_id}/stats"): ("window", "since", "until", "bucket"),
    ("GET", "/stats"): ("window", "since", "until", "bucket"),
    ("GET", "/alerts"): ("agent", "reason", "since", "until", "cursor", "limit"),
    ("GET", "/traces"): (
        *("agent", "status", "reason", "tool", "model", "kind", "target", "text"),
        *("since", "until", "cursor", "limit"),
    ),
    ("GET", "/policy/{agent_id}/versions"): ("before", "limit"),
    ("PUT", "/policy/{agent_id}"): ("comment",),
    ("GET", "/policy/{agent_id}/diff"): ("from", "to"),
    ("POST", "/policy/{agent_id}/simulate"): ("hours",),
}
_NUMBERS = frozenset(("limit", "bucket", "before", "from", "to", "hours"))
_EXAMPLES = {"agent_id": "researcher", "name": "search", "user": "ann", "version": "1"}
_HEADERS = {
    ("POST", "/register"): ("X-Amaze-Enroll-Key", "X-Amaze-Bearer"),
    ("POST", "/turns"): ("X-Amaze-Turn", "traceparent"),
    ("PUT", "/policy/{agent_id}"): ("If-Match", "If-None-Match"),
    ("POST", "/policy/{agent_id}/rollback/{version}"): ("If-Match", "If-None-Match"),
}
_TAKES_POLICY = {
    ("PUT", "/policy/{agent_id}"),
    ("POST", "/policy/{agent_id}/validate"),
    ("POST", "/policy/{agent_id}/simulate"),
}


def document(entries: Iterable[Entry]) -> dict[str, Any]:
    """The description of `entries`."""
    paths: dict[str, dict[str, Any]] = {}
    schemas: dict[str, Any] = {"Problem": _PROBLEM}
    _add(schemas, "Policy", Policy.model_json_schema(ref_template=_REF))
    for entry in entries:
        paths.setdefault(entry.path, {})[entry.method.lower()] = _operation(entry)
        for model in (*_bodies(entry), *_answers(entry)):
            schema = model.model_json_schema(ref_template=_REF, mode="validation")
            _add(schemas, model.__name__, schema)
    return {
        "openapi": "3.1.0",
        "info": {"title": "aMaze control API", "version": "1", "description": _ABOUT},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "personBearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key, the token of a session (POST /auth/login), or the "
                    "admin key of the installation",
                },
                "agentCredential": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-Amaze-Bearer",
                    "description": "An agent's credential: amz_<agent id>.<secret>",
                },
            },
        },
    }


def _add(schemas: dict[str, Any], name: str, schema: dict[str, Any]) -> None:
    for one, found in {**schema.pop("$defs", {}), name: schema}.items():
        schemas[one] = _portable(found)


def _portable(schema: Any) -> Any:
    """With patterns as JSON Schema has them: ECMA-262 knows ^ and $, not \\A and \\z."""
    match schema:
        case dict():
            return {
                name: _ecma(one) if name == "pattern" and isinstance(one, str) else _portable(one)
                for name, one in schema.items()
            }
        case list():
            return [_portable(one) for one in schema]
        case _:
            return schema


def _ecma(pattern: str) -> str:
    return pattern.replace("\\A", "^").replace("\\z", "$")


def _operation(entry: Entry) -> dict[str, Any]:
    problem = {"schema": {"$ref": _REF.format(model="Problem")}}
    operation: dict[str, Any] = {
        "operationId": f"{entry.handler.__module__.rpartition('.')[2]}_{entry.handler.__name__}",
        "summary": entry.summary,
        "security": _SECURITY[entry.role],
        "parameters": _parameters(entry),
        "responses": {
            str(entry.status): _answer(entry),
            "default": {"description": "Refused or failed", "content": {MEDIA_TYPE: problem}},
        },
    }
    content = _content(entry)
    if content:
        operation["requestBody"] = {"content": content}
    return operation


def _answers(entry: Entry) -> tuple[type[BaseModel], ...]:
    found = ANSWERS.get(f"{entry.method} {entry.path}", ())
    return () if isinstance(found, str) else found


def _answer(entry: Entry) -> dict[str, Any]:
    found = ANSWERS.get(f"{entry.method} {entry.path}")
    answer: dict[str, Any] = {"description": HTTPStatus(entry.status).phrase}
    if isinstance(found, str):
        answer["content"] = {found: {"schema": {}}}
    elif found:
        models = [{"$ref": _REF.format(model=model.__name__)} for model in found]
        schema = models[0] if len(models) == 1 else {"anyOf": models}
        answer["content"] = {"application/json": {"schema": schema}}
    return answer


def _parameters(entry: Entry) -> list[dict[str, Any]]:
    text = {"type": "string"}
    number = {"type": "integer", "minimum": 1}
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": text, **_example(name)}
        for name in _PARAMETER.findall(entry.path)
    ]
    in_query = [
        {"name": name, "in": "query", "schema": number if name in _NUMBERS else text}
        for name in _QUERY.get((entry.method, entry.path), ())
    ]
    headers = list(_HEADERS.get((entry.method, entry.path), ()))
    if creates(entry):
        headers.append(HEADER)
    in_header = [{"name": name, "in": "header", "schema": text} for name in headers]
    return in_path + in_query + in_header


def _example(name: str) -> dict[str, str]:
    return {"example": _EXAMPLES[name]} if name in _EXAMPLES else {}


def _content(entry: Entry) -> dict[str, Any]:
    if (entry.method, entry.path) in _TAKES_POLICY:
        schema = {"schema": {"$ref": _REF.format(model="Policy")}}
        return {"application/json": schema, "application/yaml": schema}
    references = [{"$ref": _REF.format(model=body.__name__)} for body in _bodies(entry)]
    match references:
        case []:
            return {}
        case [only]:
            return {"application/json": {"schema": only}}
        case _:
            return {"application/json": {"schema": {"anyOf": references}}}


def _bodies(entry: Entry) -> list[type[Body]]:
    return [body for body in (entry.body, entry.other_body) if body is not None]


_ABOUT = (
    "Errors are problem details (RFC 9457). Lists are paged: `next` of an answer is `after`, "
    "`before` or `cursor` of the next request, null at the end. Requests that make something take "
    "an Idempotency-Key: for 24 hours the same key with the same body makes one thing; an answer "
    "that held a secret is not given again (409 idempotency-replayed), but POST /agents issues a "
    "further credential."
)
_PROBLEM = {
    "type": "object",
    "description": "RFC 9457; scripts rely on `code`, people read `detail`",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}
