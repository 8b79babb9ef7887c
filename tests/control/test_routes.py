"""Every route, asked by everybody; what each may do is in the table here, not taken from ours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import httpx
import pytest
from starlette.responses import Response

from amaze_proxy.control.access_keys import AccessKeys, KeyWish
from amaze_proxy.control.api import routes
from amaze_proxy.control.api.principals import Role
from amaze_proxy.control.people import UserRole
from amaze_proxy.control.services import wire
from amaze_proxy.control.sessions import Sessions
from amaze_proxy.history.accounts import Account

EVERYBODY = frozenset(
    (
        *("nobody", "wrong key", "wrong credential", "expired key", "revoked session"),
        *("agent", "other agent", "pending agent", "new user", "viewer", "operator"),
        *("other operator", "admin", "admin key", "key for agent", "key for other", "viewer key"),
    )
)
UNKNOWN = {"nobody", "wrong key", "wrong credential", "expired key", "revoked session"}
ADMINS = {"admin", "admin key"}
ALL_SEEING = {*ADMINS, "viewer", "viewer key"}
PEOPLE = {*ALL_SEEING, "operator", "other operator", "key for agent", "key for other"}
SESSIONS = {"admin", "viewer", "operator", "other operator"}
CHANGES = {*ADMINS, "operator", "key for agent"}  # of the agent "own"
READS = {*CHANGES, *ALL_SEEING, "agent"}

MAY = {
    "GET /health": EVERYBODY,
    "GET /ca.pem": EVERYBODY,
    "GET /metrics": EVERYBODY,
    "GET /openapi.json": EVERYBODY,
    "POST /register": EVERYBODY,
    "POST /turns": {"agent", "other agent"},
    "GET /resolve/agent/{agent_id}": {*PEOPLE, "agent", "other agent"},
    "GET /resolve/mcp/{name}": {*PEOPLE, "agent", "other agent"},
    "GET /agents": PEOPLE,
    "POST /agents": ADMINS,
    "GET /agents/{agent_id}": READS,
    "PATCH /agents/{agent_id}": ADMINS,
    "PUT /agents/{agent_id}/endpoint": CHANGES,
    "DELETE /agents/{agent_id}": CHANGES,
    "POST /agents/{agent_id}/approve": CHANGES,
    "POST /agents/{agent_id}/reject": CHANGES,
    "POST /agents/{agent_id}/quarantine": CHANGES,
    "POST /agents/{agent_id}/release": CHANGES,
    "POST /agents/{agent_id}/rotate": {*CHANGES, "agent"},
    "POST /agents/{agent_id}/messages": CHANGES,
    "GET /agents/{agent_id}/audit": READS,
    "GET /policy/{agent_id}": READS,
    "PUT /policy/{agent_id}": CHANGES,
    "GET /policy/{agent_id}/versions": READS,
    "GET /policy/{agent_id}/versions/{version}": READS,
    "GET /policy/{agent_id}/diff": READS,
    "POST /policy/{agent_id}/rollback/{version}": CHANGES,
    "POST /policy/{agent_id}/validate": READS,
    "POST /policy/{agent_id}/simulate": CHANGES,
    "GET /traces": {*PEOPLE, "agent", "other agent"},  # each their own: test_traces.py
    "GET /traces/{trace_id}": {*PEOPLE, "agent", "other agent"},
    "GET /alerts": {*PEOPLE, "agent", "other agent"},
    "GET /stats": {*PEOPLE, "agent", "other agent"},
    "GET /agents/{agent_id}/stats": READS,
    "GET /audit/key": EVERYBODY,
    "POST /audit/verify": ALL_SEEING,
    "GET /export": ALL_SEEING,
    "GET /mcp_servers": PEOPLE,
    "POST /mcp_servers": ADMINS,
    "GET /mcp_servers/{name}": PEOPLE,
    "DELETE /mcp_servers/{name}": ADMINS,
    "POST /mcp_servers/{name}/approve": ADMINS,
    "POST /mcp_servers/{name}/probe": ADMINS,
    "POST /mcp_servers/{name}/accept": ADMINS,
    "POST /mcp_servers/{name}/reject": ADMINS,
    "GET /llms": PEOPLE,
    "POST /llms": ADMINS,
    "GET /llms/{name}": PEOPLE,
    "DELETE /llms/{name}": ADMINS,
    "POST /auth/login": EVERYBODY,
    "POST /auth/logout": {*PEOPLE, "new user"},
    "GET /auth/me": {*PEOPLE, "new user"},
    "POST /auth/password": {*PEOPLE, "new user"},
    "GET /auth/users": ALL_SEEING,
    "POST /auth/users": ADMINS,
    "PATCH /auth/users/{user}": ADMINS,
    "DELETE /auth/users/{user}": ADMINS,
    "GET /auth/api-keys": PEOPLE,
    "POST /auth/api-keys": {*SESSIONS, "admin key"},
    "DELETE /auth/api-keys/{key_id}": {*SESSIONS, "admin key"},
}


@dataclass
class Callers:
    """A client of routes whose handlers do nothing, and everybody's headers."""

    client: httpx.AsyncClient
    headers: dict[str, dict[str, str]]

    async def ask(self, line: str, who: str) -> httpx.Response:
        method, path = line.split(" ", 1)
        path = path.format(
            agent_id="own", version="1", name="srv", user="u", key_id="k", trace_id="0"
        )
        return await self.client.request(method, path, headers=self.headers[who])


def _bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


async def _people(control) -> dict[str, dict[str, str]]:
    """Accounts whose password is never asked for: their sessions and keys are."""
    sessions = Sessions(control.history, control.clock)
    keys = AccessKeys(control.history, control.clock)
    headers = {}
    for who, role, must_change in (
        ("viewer", "viewer", False),
        ("operator", "operator", False),
        ("other operator", "operator", False),
        ("admin", "admin", False),
        ("new user", "admin", True),
        ("revoked session", "admin", False),
    ):
        account = Account(who.replace(" ", "-"), role, "none", must_change, False, 1, 1)
        await control.history.accounts.change(account.name, lambda *_, new=account: new)
        token = await sessions.begin(account)
        if who == "revoked session":
            await sessions.end(token.sha256)
        headers[who] = _bearer(token.text)
    for who, wish in (
        ("key for agent", KeyWish("operator", "", UserRole.OPERATOR, ("own",))),
        ("key for other", KeyWish("admin", "", UserRole.ADMIN, ("other",))),
        ("viewer key", KeyWish("admin", "", UserRole.VIEWER)),
        ("expired key", KeyWish("admin", "", UserRole.ADMIN, lasts_ms=1)),
    ):
        _, secret = await keys.create(wish, UserRole.ADMIN)
        headers[who] = _bearer(secret.text)
    control.clock.now += 1
    return headers


@pytest.fixture
async def callers(control, config, monkeypatch) -> AsyncIterator[Callers]:
    own, other = await control.create("own", owner="operator"), await control.create("other")
    pending = (await control.register("pending")).json()["bearer_token"]
    headers = {
        "nobody": {},
        "wrong key": {"Authorization": "Bearer amk_wrong", "X-Amaze-Bearer": own},
        "wrong credential": {"X-Amaze-Bearer": own[:-1]},
        "pending agent": {"X-Amaze-Bearer": pending},
        "other agent": {"X-Amaze-Bearer": other},
        "agent": {"X-Amaze-Bearer": own},
        "admin key": control.admin,
        **await _people(control),
    }

    async def nothing(_call: object) -> Response:
        return Response(status_code=204)

    table = tuple(replace(entry, handler=nothing) for entry in routes.TABLE)
    services = wire(config, control.store, control.history, control.client, control.clock)
    with monkeypatch.context() as patched:
        patched.setattr(routes, "TABLE", table)
        app = routes.build(services, control.app.router.lifespan_context)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://control") as client:
        yield Callers(client, headers)


async def test_every_route_lets_in_whom_its_row_names_and_nobody_else(callers) -> None:
    lines = {f"{entry.method} {entry.path}" for entry in routes.TABLE}
    assert lines == set(MAY), "every route has a row here, and every row a route"
    assert set(callers.headers) == EVERYBODY
    wrong = {}
    for line in sorted(lines):
        for who in sorted(EVERYBODY):
            answer = await callers.ask(line, who)
            due = 204 if who in MAY[line] else 401 if who in UNKNOWN else 403
            if answer.status_code != due:
                wrong[line, who] = (answer.status_code, answer.text, due)
            assert answer.headers["cache-control"] == "no-store"
            assert ("www-authenticate" in answer.headers) is (due == 401)
    assert wrong == {}


def test_no_route_that_changes_something_is_public_but_registration_and_login() -> None:
    public = {entry.path for entry in routes.TABLE if entry.role is Role.PUBLIC}
    assert public == {
        *("/health", "/ca.pem", "/metrics", "/openapi.json", "/register", "/auth/login"),
        "/audit/key",
    }
    assert len({(entry.method, entry.path) for entry in routes.TABLE}) == len(routes.TABLE)


@pytest.mark.parametrize("act", ["quarantine", "reject"])
async def test_a_stopped_agent_is_let_in_nowhere(control, act) -> None:
    held = (await control.register("own")).json()["bearer_token"]
    await control.ask("POST", f"/agents/own/{act}")
    for entry in routes.TABLE:
        if entry.role is Role.PUBLIC:
            continue
        path = entry.path.format(
            agent_id="own", version="1", name="srv", user="u", key_id="k", trace_id="0"
        )
        answer = await control.client.request(entry.method, path, headers={"X-Amaze-Bearer": held})
        assert answer.status_code == 403, entry.path


async def test_two_credentials_of_a_kind_are_refused(control) -> None:
    key = control.admin["Authorization"]
    answer = await control.client.get(
        "/agents", headers=[("Authorization", key), ("Authorization", key)]
    )
    assert answer.status_code == 401


async def test_another_scheme_is_refused(control) -> None:
    key = control.admin["Authorization"].removeprefix("Bearer ")
    answer = await control.client.get("/agents", headers={"Authorization": f"Basic {key}"})
    assert answer.status_code == 401


async def test_people_see_their_own_agents_in_the_list(callers, control) -> None:
    for who, agents in (
        ("operator", ["own"]),
        ("other operator", []),
        ("key for other", ["other"]),
        ("viewer", ["other", "own", "pending"]),
    ):
        answer = await control.client.get("/agents", headers=callers.headers[who])
        assert [one["agent_id"] for one in answer.json()["agents"]] == agents, who
    first = await control.client.get("/agents?limit=1", headers=callers.headers["viewer"])
    assert (len(first.json()["agents"]), first.json()["next"]) == (1, "other")


async def test_only_an_admin_registers_servers_as_one(callers, control) -> None:
    body = {"name": "srv", "url": "http://10.0.0.7:9000/mcp"}
    for who, status in (("viewer", 403), ("key for other", 403), ("wrong key", 401)):
        answer = await control.client.post(
            "/register?kind=mcp", json=body, headers=callers.headers[who]
        )
        assert answer.status_code == status, who
    answer = await control.client.post(
        "/register?kind=mcp", json=body, headers=callers.headers["admin"]
    )
    assert (answer.status_code, answer.json()["status"]) == (201, "approved")
