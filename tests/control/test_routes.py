"""Every route, asked by everybody: nobody, a wrong key, a stranger, the agent itself, an admin."""

from __future__ import annotations

import pytest

from amaze_proxy.control.api.principals import Role
from amaze_proxy.control.api.routes import TABLE

CALLERS = ("nobody", "wrong key", "wrong credential", "pending", "other", "own", "admin")
LET_IN = {
    Role.PUBLIC: set(CALLERS),
    Role.AGENT: {"other", "own"},
    Role.OWN: {"own", "admin"},
    Role.MEMBER: {"other", "own", "admin"},
    Role.ADMIN: {"admin"},
}
UNAUTHENTICATED = {"nobody", "wrong key", "wrong credential"}


@pytest.fixture
async def callers(control):
    own, other = await control.create("own"), await control.create("other")
    pending = (await control.register("pending")).json()["bearer_token"]
    await control.ask("PUT", "/policy/own", json={})
    return {
        "nobody": {},
        "wrong key": {"Authorization": "Bearer amk_wrong", "X-Amaze-Bearer": own},
        "wrong credential": {"X-Amaze-Bearer": own[:-1]},
        "pending": {"X-Amaze-Bearer": pending},
        "other": {"X-Amaze-Bearer": other},
        "own": {"X-Amaze-Bearer": own},
        "admin": control.admin,
    }


@pytest.mark.parametrize("entry", TABLE, ids=lambda entry: f"{entry.method} {entry.path}")
async def test_a_route_lets_in_whom_its_role_names(control, callers, entry) -> None:
    path = entry.path.format(agent_id="own", version="1", name="srv")
    for name in CALLERS:  # the admin last: some routes end the agent
        answer = await control.client.request(entry.method, path, headers=callers[name])
        if name in LET_IN[entry.role]:
            assert answer.status_code != 401, name
            assert answer.json()["code"] != "forbidden" if answer.status_code == 403 else True
        elif name in UNAUTHENTICATED:
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), name
            assert "www-authenticate" in answer.headers
        else:
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), name
        assert answer.headers["cache-control"] == "no-store"


def test_no_route_that_changes_something_is_public_but_registration() -> None:
    public = {entry.path for entry in TABLE if entry.role is Role.PUBLIC}
    assert public == {"/health", "/ca.pem", "/metrics", "/openapi.json", "/register"}
    assert len({(entry.method, entry.path) for entry in TABLE}) == len(TABLE)


@pytest.mark.parametrize("act", ["quarantine", "reject"])
async def test_a_stopped_agent_is_let_in_nowhere(control, act) -> None:
    held = (await control.register("own")).json()["bearer_token"]
    await control.ask("POST", f"/agents/own/{act}")
    for entry in TABLE:
        if entry.role is Role.PUBLIC:
            continue
        path = entry.path.format(agent_id="own", version="1", name="srv")
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
