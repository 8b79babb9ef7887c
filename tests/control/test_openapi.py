"""The description of the API: complete, valid, and what the API really does."""

from __future__ import annotations

import re
from typing import Any

import httpx
from jsonschema import Draft202012Validator

from amaze_proxy.control.api.answer_table import ANSWERS
from amaze_proxy.control.api.openapi import document
from amaze_proxy.control.api.problems import MEDIA_TYPE
from amaze_proxy.control.api.routes import TABLE

DOCUMENT = document(TABLE)
POLICY = {"name": "p", "allowed_llm_providers": ["openai"]}
SERVER = {"name": "srv", "url": "http://127.0.0.1:1/mcp"}
LLM = {"name": "lama", "url": "http://10.0.0.6:11434", "dialect": "ollama"}

# Asked in this order by an admin: a route, what for its path's parameters stand for, its body.
ASKED: tuple[tuple[str, str, Any], ...] = (
    ("GET /health", "/health", None),
    ("POST /register", "/register", {"agent_id": "r", "chat_port": 1}),
    ("POST /register", "/register?kind=mcp", {"name": "other", "url": "http://127.0.0.1:2/mcp"}),
    ("POST /agents", "/agents", {"agent_id": "a", "policy": POLICY}),
    ("GET /agents", "/agents?limit=1", None),
    ("GET /agents/{agent_id}", "/agents/a", None),
    ("PATCH /agents/{agent_id}", "/agents/a", {"owner": ""}),
    (
        "PUT /agents/{agent_id}/endpoint",
        "/agents/a/endpoint",
        {"a2a_host": "h", "a2a_port": 1},
    ),
    ("POST /agents/{agent_id}/approve", "/agents/r/approve", {}),
    ("POST /agents/{agent_id}/quarantine", "/agents/r/quarantine", {}),
    ("POST /agents/{agent_id}/release", "/agents/r/release", {}),
    ("POST /agents/{agent_id}/rotate", "/agents/a/rotate", {}),
    ("GET /agents/{agent_id}/audit", "/agents/_admin/audit", None),
    ("GET /agents/{agent_id}/stats", "/agents/a/stats", None),
    ("GET /resolve/agent/{agent_id}", "/resolve/agent/a", None),
    ("GET /traces", "/traces", None),
    ("GET /alerts", "/alerts", None),
    ("GET /stats", "/stats", None),
    ("GET /policy/{agent_id}", "/policy/a", None),
    ("PUT /policy/{agent_id}", "/policy/a", {**POLICY, "name": "q"}),
    ("GET /policy/{agent_id}/versions", "/policy/a/versions?limit=1", None),
    ("GET /policy/{agent_id}/versions/{version}", "/policy/a/versions/1", None),
    ("GET /policy/{agent_id}/diff", "/policy/a/diff", None),
    ("POST /policy/{agent_id}/rollback/{version}", "/policy/a/rollback/1", None),
    ("POST /policy/{agent_id}/simulate", "/policy/a/simulate", POLICY),
    ("POST /policy/{agent_id}/validate", "/policy/a/validate", POLICY),
    ("POST /audit/verify", "/audit/verify", None),
    ("POST /mcp_servers", "/mcp_servers", SERVER),
    ("GET /mcp_servers", "/mcp_servers?limit=1", None),
    ("GET /mcp_servers/{name}", "/mcp_servers/srv", None),
    ("POST /mcp_servers/{name}/approve", "/mcp_servers/srv/approve", {}),
    ("GET /resolve/mcp/{name}", "/resolve/mcp/srv", None),
    ("POST /llms", "/llms", LLM),
    ("GET /llms", "/llms", None),
    ("GET /llms/{name}", "/llms/lama", None),
    ("POST /auth/users", "/auth/users", {"name": "ann", "role": "viewer"}),
    ("PATCH /auth/users/{user}", "/auth/users/ann", {"role": "operator"}),
    ("GET /auth/users", "/auth/users", None),
    ("POST /auth/api-keys", "/auth/api-keys", {"user": "ann", "role": "viewer"}),
    ("GET /auth/api-keys", "/auth/api-keys", None),
    ("GET /auth/me", "/auth/me", None),
)


def _operation(line: str) -> dict[str, Any]:
    method, path = line.split(" ", 1)
    return DOCUMENT["paths"][path][method.lower()]


def test_every_route_is_described_whole() -> None:
    schemes = set(DOCUMENT["components"]["securitySchemes"])
    for entry in TABLE:
        line = f"{entry.method} {entry.path}"
        operation = _operation(line)
        assert operation["summary"], line
        answer = operation["responses"][str(entry.status)]
        assert (line in ANSWERS) is (entry.status != 204), line
        assert ("content" in answer) is (entry.status != 204), line
        assert MEDIA_TYPE in operation["responses"]["default"]["content"]
        assert {name for one in operation["security"] for name in one} <= schemes
        places = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
        assert places == set(re.findall(r"{(\w+)}", entry.path)), line
        assert all("schema" in one for one in operation["parameters"]), line
        assert ("requestBody" in operation) >= (entry.body is not None), line


def test_every_schema_is_one() -> None:
    for name, schema in DOCUMENT["components"]["schemas"].items():
        Draft202012Validator.check_schema(schema)
        assert schema, name
    assert {line.split(" ")[1] for line in ANSWERS} <= set(DOCUMENT["paths"])


async def test_what_is_described_is_what_is_answered(control) -> None:
    for line, path, body in ASKED:
        answer = await control.ask(line.split(" ")[0], path, json=body)
        _holds(line, answer)


async def test_so_it_is_for_a_session_and_a_turn(control) -> None:
    body = {"name": "ann", "role": "admin", "password": "correct horse battery"}
    await control.ask("POST", "/auth/users", json=body)
    sent = {"name": "ann", "password": body["password"]}
    _holds("POST /auth/login", await control.client.post("/auth/login", json=sent))
    held = {"X-Amaze-Bearer": await control.create("a")}
    _holds("POST /turns", await control.client.post("/turns", json={}, headers=held))
    problem = await control.client.get("/agents/a")
    schema = {"$ref": "#/components/schemas/Problem", "components": DOCUMENT["components"]}
    Draft202012Validator(schema).validate(problem.json())


def _holds(line: str, answer: httpx.Response) -> None:
    """The answer is of the described status and schema, and has no member that is not in it."""
    described = _operation(line)["responses"]
    assert answer.is_success, (line, answer.text)
    # POST /register answers 201 for an MCP server, as its summary says
    status = str(answer.status_code) if line != "POST /register" else "200"
    schema = described[status]["content"]["application/json"]["schema"]
    whole = {**schema, "components": DOCUMENT["components"]}
    errors = list(Draft202012Validator(whole).iter_errors(answer.json()))
    assert errors == [], (line, errors)
    models = [one["$ref"].rpartition("/")[2] for one in schema.get("anyOf", [schema])]
    known = {
        name
        for model in models
        for name in DOCUMENT["components"]["schemas"][model].get("properties", ())
    }
    if isinstance(answer.json(), dict):
        assert set(answer.json()) <= known, line


def test_credentials_are_named_for_what_they_are() -> None:
    schemes = DOCUMENT["components"]["securitySchemes"]
    assert {name: one["type"] for name, one in schemes.items()} == {
        "personBearer": "http",
        "agentCredential": "apiKey",
    }
    assert all(one["description"] for one in schemes.values())


def test_every_page_says_how_it_goes_on() -> None:
    paged = 0
    for entry in TABLE:
        operation = DOCUMENT["paths"][entry.path][entry.method.lower()]
        content = operation["responses"][str(entry.status)].get("content", {})
        reference = content.get("application/json", {}).get("schema", {}).get("$ref", "")
        schema = DOCUMENT["components"]["schemas"].get(reference.rpartition("/")[2], {})
        if "next" in schema.get("properties", {}):
            paged += 1
            asked = {one["name"] for one in operation["parameters"] if one["in"] == "query"}
            assert "limit" in asked, entry.path
            assert len(asked & {"after", "before", "cursor"}) == 1, entry.path
    assert paged >= 8
