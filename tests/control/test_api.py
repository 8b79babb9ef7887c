"""What holds for every route: ids, bodies, problems, the description, a real server."""

from __future__ import annotations

import asyncio
import socket

import httpx
import pytest
import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amaze_proxy.control.api.problems import MEDIA_TYPE
from amaze_proxy.control.api.routes import TABLE
from amaze_proxy.control.app import create_app
from amaze_proxy.history.engine import make_engine

BODIES = {
    "messages": {"message": "m"},
    "endpoint": {"a2a_host": "h", "a2a_port": 1},
}
BAD_IDS = [
    "*",
    "..%2Fx",
    "x" * 5000,
    "UPPER",
    "-a",
    "a-",
    "a_b",
    "a%00",
    "a%0A",
    "a%20",
    "\u0430gent",  # a Cyrillic letter that looks like an a
    "a\u200b",
    "{a}",
    "a:b",
    "%2A",
    "_unknown!",
]


@pytest.mark.parametrize("bad", BAD_IDS)
async def test_a_bad_id_is_refused_on_every_route(control, bad) -> None:
    for entry in TABLE:
        if "{agent_id}" not in entry.path:
            continue
        path = entry.path.format(agent_id=bad, version="1")
        body = BODIES.get(entry.path.rpartition("/")[2])
        answer = await control.ask(entry.method, path, json=body)
        assert answer.status_code in (400, 404), (entry.path, answer.text)
        assert answer.json()["code"] in ("invalid-agent-id", "not-found"), entry.path
        assert answer.headers["content-type"] == MEDIA_TYPE
    assert await control.store.agents.ids() == []


@pytest.mark.parametrize("bad", [*BAD_IDS, "a.b", "127", "localhost"])
async def test_a_bad_name_is_refused_on_every_route(control, bad) -> None:
    for entry in TABLE:
        if "{name}" not in entry.path:
            continue
        answer = await control.ask(entry.method, entry.path.format(name=bad))
        assert answer.status_code in (400, 404), (entry.path, answer.text)
        assert answer.json()["code"] in ("invalid-name", "not-found"), entry.path
        assert answer.headers["content-type"] == MEDIA_TYPE


@pytest.mark.parametrize(
    "bad", ["*", "../x", "x" * 5000, "UPPER", "\u0430gent", "", "a\x00", "a\n"]
)
async def test_a_bad_id_in_a_body_is_refused(control, bad) -> None:
    for path in ("/register", "/agents"):
        answer = await control.ask("POST", path, json={"agent_id": bad})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid-fields")
        assert answer.json()["errors"][0]["field"] == "agent_id"
    assert await control.store.agents.ids() == []


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        (b"{", 400, "line 1, column 2"),
        (b'{"agent_id": "a", "agent_id": "b"}', 400, "twice"),
        (b"[1]", 400, "object"),
        (b'{"agent_id": NaN}', 400, "NaN"),
        (b"\xff", 400, "UTF-8"),
        (b"[" * 100_000, 400, "nested"),
        (b'{"agent_id": "\\ud800"}', 422, "agent_id"),
        (b'{"agent_id": 1}', 422, "agent_id"),
        (b"{}", 422, "agent_id"),
        (b'{"agent_id": "a", "surprise": "s3cret"}', 422, "surprise"),
    ],
)
async def test_a_bad_body_is_told_with_the_place(control, body, status, named) -> None:
    for path in ("/register", "/agents"):
        answer = await control.client.post(
            path, content=body, headers={**control.admin, "Content-Type": "application/json"}
        )
        assert answer.status_code == status
        assert named in answer.json()["detail"]
        assert "s3cret" not in answer.text


async def test_a_large_body_is_refused_declared_or_not(control, config) -> None:
    large = b'{"agent_id": "' + b"a" * config.body_max + b'"}'

    async def chunks():
        for start in range(0, len(large), 65536):
            yield large[start : start + 65536]

    headers = {**control.admin, "Content-Type": "application/json"}
    for content in (large, chunks()):
        answer = await control.client.post("/register", content=content, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")
    answer = await control.client.put("/policy/a", content=large, headers=headers)
    assert answer.status_code == 413


async def test_what_a_page_in_a_browser_could_send_is_refused(control) -> None:
    for media in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = await control.client.post(
            "/register", content=b'{"agent_id": "a"}', headers={"Content-Type": media}
        )
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-media-type")


async def test_what_the_router_refuses_is_a_problem_too(control) -> None:
    missing = await control.client.get("/nowhere")
    assert (missing.status_code, missing.json()["code"]) == (404, "not-found")
    wrong = await control.client.put("/health")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method-not-allowed")
    assert "GET" in wrong.headers["allow"]


async def test_what_nobody_thought_of_is_a_problem_without_its_text(
    control, monkeypatch, caplog
) -> None:
    async def broken() -> None:
        raise RuntimeError("s3cret")

    monkeypatch.setattr(type(control.store), "ping", lambda _self: broken())
    transport = httpx.ASGITransport(control.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://control") as client:
        answer = await client.get("/health")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal-error")
    assert "s3cret" not in answer.text


async def test_a_database_that_fails_is_a_problem_and_named_by_health(
    control, tmp_path, monkeypatch
) -> None:
    (tmp_path / "broken.db").write_bytes(b"no database any more" * 1000)
    broken = make_engine(f"sqlite:///{tmp_path}/broken.db")
    with monkeypatch.context() as patched:
        patched.setattr(control.history.database, "_engine", broken)
        answer = await control.ask("GET", "/agents")
        assert (answer.status_code, answer.json()["code"]) == (503, "sql-unavailable")
        sick = await control.client.get("/health")
        assert (sick.status_code, sick.json()["parts"]["redis"]) == (503, "ok")
        assert "does not answer" in sick.json()["parts"]["sql"]
    assert (await control.client.get("/health")).status_code == 200
    broken.dispose()


async def test_health_the_certificate_and_the_numbers_are_public(control, config) -> None:
    well = await control.client.get("/health")
    assert well.status_code == 200
    assert well.json()["status"] == "ok"
    assert well.json()["parts"] == {"redis": "ok", "sql": "ok", "archive": "ok"}
    certificate = await control.client.get("/ca.pem")
    assert certificate.content == config.ca_pem
    assert certificate.headers["content-type"] == "application/x-pem-file"
    await control.create("a")
    numbers = await control.client.get("/metrics")
    assert 'amaze_agents{status="approved"} 1.0\n' in numbers.text
    assert "amaze_changes_not_in_force 0.0\n" in numbers.text


async def test_the_description_knows_every_route(control) -> None:
    described = (await control.client.get("/openapi.json")).json()
    assert described["openapi"].startswith("3.1")
    for entry in TABLE:
        operation = described["paths"][entry.path][entry.method.lower()]
        assert str(entry.status) in operation["responses"]
    ids = [
        operation["operationId"]
        for path in described["paths"].values()
        for operation in path.values()
    ]
    assert len(set(ids)) == len(TABLE)
    schemas = described["components"]["schemas"]
    references = set(_references(described))
    assert references <= {f"#/components/schemas/{name}" for name in schemas}
    assert "#/components/schemas/Policy" in references


def _references(value):
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "$ref":
                yield inner
            else:
                yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    body=st.dictionaries(
        st.sampled_from(
            ["agent_id", "owner", "policy", "claim", "message", "chat_host", "name", "url", "tools"]
        ),
        JSON,
    )
)
async def test_no_body_makes_the_api_fail(control, body) -> None:
    for path in (
        *("/register", "/agents", "/agents/a/approve", "/agents/a/messages"),
        *("/register?kind=mcp", "/mcp_servers", "/mcp_servers/a/approve", "/llms"),
    ):
        answer = await control.ask("POST", path, json=body)
        assert answer.status_code < 500, (path, body, answer.text)


async def test_it_serves_on_a_port(config, store, history, clock) -> None:
    app = create_app(config, store, history, clock)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        assert (await client.get("/health")).status_code == 200
        answer = await client.post("/register", json={"agent_id": "a", "chat_port": 7})
        assert answer.status_code == 200
        assert (await client.get("/agents")).status_code == 401
    server.should_exit = True
    await serving
    listener.close()
    assert (await store.agents.get("a")).endpoint.chat_host == "127.0.0.1"


@pytest.mark.parametrize("bad", ["*", "..%2Fx", "x" * 5000, "UPPER", "\u0430nn", "a%00", "-a"])
async def test_a_bad_user_key_or_trace_is_refused_on_every_route(control, bad) -> None:
    codes = {"not-found", "invalid-user-name", "key-not-found", "trace-not-found"}
    seen = 0
    for entry in TABLE:
        if not any(f"{{{name}}}" in entry.path for name in ("user", "key_id", "trace_id")):
            continue
        path = entry.path.format(user=bad, key_id=bad, trace_id=bad)
        body = {"role": "viewer"} if entry.method == "PATCH" else None
        answer = await control.ask(entry.method, path, json=body)
        assert answer.status_code in (400, 404), (entry.path, answer.text)
        assert answer.json()["code"] in codes, entry.path
        assert answer.headers["content-type"] == MEDIA_TYPE
        seen += 1
    assert seen >= 4
