"""Whose an agent is, and who lets it go again."""

from __future__ import annotations

import pytest

from amaze_proxy.control.access_keys import AccessKeys, KeyWish
from amaze_proxy.control.people import UserRole
from amaze_proxy.history.accounts import Account


async def _key(control, name: str, role: str) -> dict[str, str]:
    account = Account(name, role, "none", False, False, 1, 1)
    await control.history.accounts.change(name, lambda *_: account)
    wish = KeyWish(name, "", UserRole(role))
    keys = AccessKeys(control.history, control.clock)
    _, secret = await keys.create(wish, UserRole.ADMIN)
    return {"Authorization": f"Bearer {secret.text}"}


async def test_the_owner_of_a_registered_agent_is_set_and_taken_away(control) -> None:
    ann = await _key(control, "ann", "operator")
    await control.register("a")
    for owner, sees in (("ann", 200), ("", 403)):
        answer = await control.ask("PATCH", "/agents/a", json={"owner": owner})
        assert (answer.status_code, answer.json()["owner"]) == (200, owner)
        assert (await control.client.get("/agents/a", headers=ann)).status_code == sees
    record = (await control.ask("GET", "/agents/_admin/audit?limit=1")).json()[0]
    assert (record["tool"], record["target"], record["status"]) == (
        "agents.change",
        "agents/a",
        200,
    )
    assert '"owner": "ann"' in record["input"]


@pytest.mark.parametrize("owner", ["nobody", "*", "ANN", "x" * 200])
async def test_an_owner_who_is_no_user_is_refused(control, owner) -> None:
    await control.create("a")
    answer = await control.ask("PATCH", "/agents/a", json={"owner": owner})
    assert (answer.status_code, answer.json()["code"]) == (422, "owner-unknown")
    assert (await control.ask("GET", "/agents/a")).json()["owner"] == ""


async def test_an_operator_releases_what_operators_have_stopped_and_nothing_else(control) -> None:
    ann = await _key(control, "ann", "operator")
    await control.create("a", owner="ann")

    async def does(headers: dict[str, str], verb: str) -> tuple[int, str | None]:
        answer = await control.client.post(f"/agents/a/{verb}", headers=headers)
        found = answer.json()
        return answer.status_code, found.get("code") or found["quarantined_by"]

    assert await does(ann, "quarantine") == (200, "ann")
    assert await does(ann, "release") == (200, None)
    assert await does(ann, "quarantine") == (200, "ann")
    assert await does(control.admin, "quarantine") == (200, "admin")
    assert await does(ann, "quarantine") == (200, "admin")
    assert await does(ann, "release") == (403, "quarantined-by-admin")
    assert (await control.ask("GET", "/agents/a")).json()["status"] == "quarantined"
    assert await does(control.admin, "release") == (200, None)
