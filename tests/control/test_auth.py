"""Signing in, sessions, passwords, accounts and keys, through the API."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter

import pytest

from amaze_proxy.control import passwords
from amaze_proxy.control.passwords import Passwords
from amaze_proxy.control.people import People, ensure_first_admin
from amaze_proxy.control.sessions import IDLE_MS, LONGEST_MS, Sessions
from tests.postgres import ON_BOTH

PASSWORD = "correct horse battery"
ANOTHER = "staple battery horse"


async def user(control, name: str = "ann", role: str = "viewer") -> None:
    body = {"name": name, "role": role, "password": PASSWORD}
    answer = await control.ask("POST", "/auth/users", json=body)
    assert answer.status_code == 201, answer.text


async def login(control, name: str = "ann", password: str = PASSWORD):
    return await control.client.post("/auth/login", json={"name": name, "password": password})


async def signed_in(control, name: str = "ann", password: str = PASSWORD) -> dict[str, str]:
    answer = await login(control, name, password)
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['token']}"}


async def me(control, headers) -> int:
    return (await control.client.get("/auth/me", headers=headers)).status_code


async def test_a_session_ends_at_logout(control) -> None:
    await user(control)
    headers = await signed_in(control)
    answer = await control.client.get("/auth/me", headers=headers)
    assert answer.json() == {
        "name": "ann",
        "role": "viewer",
        "via": "session",
        "scope": [],
        "must_change_password": False,
    }
    assert (await control.client.post("/auth/logout", headers=headers)).status_code == 204
    assert await me(control, headers) == 401


async def test_a_session_ends_unused_and_in_the_end_however_it_is_used(control) -> None:
    await user(control)
    unused, used = await signed_in(control), await signed_in(control)
    begun = control.clock.now
    control.clock.now += IDLE_MS - 1
    assert await me(control, used) == 200
    control.clock.now += 1
    assert await me(control, unused) == 401
    while control.clock.now < begun + LONGEST_MS - IDLE_MS:
        control.clock.now += IDLE_MS // 2
        assert await me(control, used) == 200
    control.clock.now = begun + LONGEST_MS
    assert await me(control, used) == 401


async def test_unknown_wrong_and_disabled_look_the_same(control) -> None:
    await user(control)
    await user(control, "off")
    await control.ask("PATCH", "/auth/users/off", json={"disabled": True})
    answers = [
        await login(control, "nobody"),
        await login(control, "ann", ANOTHER),
        await login(control, "off"),
        await login(control, "No Name!"),
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert answers[0].json()["code"] == "sign-in-refused"


async def test_a_password_that_was_made_opens_nothing_but_its_change(control) -> None:
    made = await control.ask("POST", "/auth/users", json={"name": "ann", "role": "admin"})
    first = made.json()["password"]
    headers = await signed_in(control, password=first)
    refused = await control.client.get("/agents", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    other = await signed_in(control, password=first)
    change = {"old": first, "new": ANOTHER}
    answer = await control.client.post("/auth/password", json=change, headers=headers)
    assert answer.status_code == 204
    assert (await me(control, headers), await me(control, other)) == (401, 401)
    assert (await login(control, password=first)).status_code == 401
    headers = await signed_in(control, password=ANOTHER)
    assert (await control.client.get("/agents", headers=headers)).status_code == 200


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"old": PASSWORD, "new": "too short"}, "invalid-password"),
        ({"old": ANOTHER, "new": ANOTHER}, "sign-in-refused"),
    ],
)
async def test_a_password_is_changed_by_who_knows_it_to_a_good_one(control, change, code) -> None:
    await user(control)
    headers = await signed_in(control)
    answer = await control.client.post("/auth/password", json=change, headers=headers)
    assert answer.json()["code"] == code
    assert await me(control, headers) == 200
    refused = await control.ask("POST", "/auth/password", json=change)
    assert refused.json()["code"] == "forbidden"  # the admin key has no password


async def test_who_guesses_waits_longer_each_time(control) -> None:
    await user(control)
    for _ in range(5):
        assert (await login(control, password=ANOTHER)).status_code == 401
    answer = await login(control)
    assert (answer.status_code, answer.json()["code"]) == (429, "too-many-attempts")
    assert answer.headers["retry-after"] == "1"
    control.clock.now += 1000
    assert (await login(control, password=ANOTHER)).status_code == 401
    control.clock.now += 1999
    assert (await login(control)).headers["retry-after"] == "1"
    control.clock.now += 1
    assert (await login(control)).status_code == 200
    assert (await login(control, password=ANOTHER)).status_code == 401


async def test_a_hash_of_other_parameters_is_made_anew(control, monkeypatch) -> None:
    await user(control)
    before = await control.history.accounts.get("ann")
    await signed_in(control)
    assert await control.history.accounts.get("ann") == before
    monkeypatch.setattr(passwords, "stale", lambda _encoded: True)
    headers = await signed_in(control)
    after = await control.history.accounts.get("ann")
    assert after.password != before.password
    assert await me(control, headers) == 200
    assert (await login(control)).status_code == 200


async def test_a_session_is_not_begun_on_a_password_of_before(control) -> None:
    await user(control)
    before = await control.history.accounts.get("ann")
    await control.ask("PATCH", "/auth/users/ann", json={"reset_password": True})
    assert await Sessions(control.history, control.clock).begin(before) is None


async def test_disabling_and_resetting_end_sessions(control) -> None:
    await user(control)
    headers = await signed_in(control)
    answer = await control.ask("PATCH", "/auth/users/ann", json={"disabled": True})
    assert answer.json()["disabled"] is True
    assert await me(control, headers) == 401
    await control.ask("PATCH", "/auth/users/ann", json={"disabled": False})
    assert await me(control, headers) == 401
    headers = await signed_in(control)
    answer = await control.ask("PATCH", "/auth/users/ann", json={"reset_password": True})
    assert await me(control, headers) == 401
    assert (await login(control)).status_code == 401
    await signed_in(control, password=answer.json()["password"])


async def test_a_role_counts_from_the_next_request_on(control) -> None:
    await user(control)
    await user(control, "bob", "admin")  # there is always one
    headers = await signed_in(control)
    wanted = {"agent_id": "a"}
    assert (await control.client.post("/agents", json=wanted, headers=headers)).status_code == 403
    await control.ask("PATCH", "/auth/users/ann", json={"role": "admin"})
    assert (await control.client.post("/agents", json=wanted, headers=headers)).status_code == 201
    await control.ask("PATCH", "/auth/users/ann", json={"role": "viewer"})
    wanted = {"agent_id": "b"}
    assert (await control.client.post("/agents", json=wanted, headers=headers)).status_code == 403
    assert (await control.client.get("/auth/me", headers=headers)).json()["role"] == "viewer"


async def test_users_are_listed_and_deleted(control) -> None:
    await user(control)
    await user(control, "bob", "admin")
    headers = await signed_in(control)
    first = (await control.ask("GET", "/auth/users?limit=1")).json()
    assert ([one["name"] for one in first["users"]], first["next"]) == (["ann"], "ann")
    rest = (await control.ask("GET", "/auth/users?after=ann")).json()
    assert ([one["name"] for one in rest["users"]], rest["next"]) == (["bob"], None)
    assert "argon2" not in str(first)
    assert (await control.ask("DELETE", "/auth/users/ann")).status_code == 204
    assert await me(control, headers) == 401
    assert (await control.ask("DELETE", "/auth/users/ann")).json()["code"] == "user-not-found"
    assert (await control.ask("DELETE", "/auth/users/A%20b")).json()["code"] == "invalid-user-name"


async def test_there_is_always_an_admin(control) -> None:
    await user(control, "bob", "admin")
    for method, wish in (
        ("DELETE", None),
        ("PATCH", {"disabled": True}),
        ("PATCH", {"role": "viewer"}),
    ):
        answer = await control.ask(method, "/auth/users/bob", json=wish)
        assert (answer.status_code, answer.json()["code"]) == (409, "last-admin")
    await user(control, "ann", "admin")
    assert (await control.ask("DELETE", "/auth/users/bob")).status_code == 204


async def test_a_user_is_made_once(control) -> None:
    await user(control)
    again = await control.ask("POST", "/auth/users", json={"name": "ann", "role": "viewer"})
    assert (again.status_code, again.json()["code"]) == (409, "user-exists")
    for body in ({"name": "Ann", "role": "viewer"}, {"name": "bob", "role": "owner"}):
        assert (await control.ask("POST", "/auth/users", json=body)).status_code == 422


@ON_BOTH
async def test_the_first_admin_is_made_once(history) -> None:
    password = await ensure_first_admin(history)
    assert password is not None
    assert await ensure_first_admin(history) is None
    first = await history.accounts.get("admin")
    assert (first.role, first.must_change) == ("admin", True)
    assert password not in first.password
    assert "argon2" not in repr(first)
    assert not await history.accounts.add_first(first)


async def test_a_crowd_that_signs_in_is_turned_away(history, clock, until, monkeypatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(passwords, "_verify", lambda *_: not release.wait(20))
    people = People(history, Sessions(history, clock), clock, Passwords(waiting=3))
    asked = [
        asyncio.create_task(people.sign_in(f"u{number}", PASSWORD, "10.0.0.1"))
        for number in range(8)
    ]

    async def turned_away() -> bool:
        return sum(one.done() for one in asked) == 5

    await until(turned_away)
    release.set()
    found = await asyncio.gather(*asked, return_exceptions=True)
    kinds = Counter(type(one).__name__ for one in found)
    assert kinds == {"SignInRefused": 3, "TooManyAttempts": 5}


@ON_BOTH
async def test_a_key_is_shown_once_and_ends(control) -> None:
    await user(control, "bob", "admin")
    headers = await signed_in(control, "bob")
    body = {"role": "viewer", "label": "ci", "lasts_days": 1}
    made = (await control.client.post("/auth/api-keys", json=body, headers=headers)).json()
    key = {"Authorization": f"Bearer {made['key']}"}
    assert made["key"].startswith(made["prefix"])
    assert (await control.client.get("/auth/me", headers=key)).json()["via"] == made["prefix"]
    listed = (await control.client.get("/auth/api-keys", headers=key)).json()["api_keys"]
    assert [one["key_id"] for one in listed] == [made["key_id"]]
    assert made["key"] not in str(listed)
    control.clock.now += 86_400_000 - 1
    assert await me(control, key) == 200
    control.clock.now += 1  # in the very millisecond in which it ends
    assert await me(control, key) == 401


async def test_a_key_works_only_while_its_owner_has_a_password_of_their_own(control) -> None:
    made = await control.ask("POST", "/auth/users", json={"name": "bob", "role": "viewer"})
    wanted = {"role": "viewer", "user": "bob"}
    given = (await control.ask("POST", "/auth/api-keys", json=wanted)).json()
    key = {"Authorization": f"Bearer {given['key']}"}
    refused = await control.client.get("/agents", headers=key)
    assert (refused.status_code, await me(control, key)) == (401, 401)
    assert "password that was made" in refused.json()["detail"]
    first = made.json()["password"]
    change = {"old": first, "new": ANOTHER}
    headers = await signed_in(control, "bob", first)
    await control.client.post("/auth/password", json=change, headers=headers)
    assert await me(control, key) == 200
    await control.ask("PATCH", "/auth/users/bob", json={"reset_password": True})
    assert await me(control, key) == 401


async def test_a_key_is_never_more_than_its_owner(control) -> None:
    await user(control, "bob", "operator")
    headers = await signed_in(control, "bob")
    refused = await control.client.post("/auth/api-keys", json={"role": "admin"}, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "key-refused")
    body = {"role": "operator"}
    made = (await control.client.post("/auth/api-keys", json=body, headers=headers)).json()
    key = {"Authorization": f"Bearer {made['key']}"}
    await control.create("a", owner="bob")
    put = {"name": "p"}
    assert (await control.client.put("/policy/a", json=put, headers=key)).status_code == 200
    await control.ask("PATCH", "/auth/users/bob", json={"role": "viewer"})
    assert (await control.client.put("/policy/a", json=put, headers=key)).status_code == 403
    await control.ask("PATCH", "/auth/users/bob", json={"disabled": True})
    assert await me(control, key) == 401


async def test_keys_of_others_are_an_admins_business(control) -> None:
    await user(control)
    await user(control, "bob")
    ann, bob = await signed_in(control), await signed_in(control, "bob")
    theirs = {"role": "viewer", "user": "bob"}
    refused = await control.client.post("/auth/api-keys", json=theirs, headers=ann)
    assert refused.status_code == 403
    made = (await control.ask("POST", "/auth/api-keys", json=theirs)).json()
    assert made["user"] == "bob"
    path = f"/auth/api-keys/{made['key_id']}"
    assert (await control.client.get("/auth/api-keys", headers=ann)).json()["api_keys"] == []
    assert (await control.client.delete(path, headers=ann)).json()["code"] == "key-not-found"
    key = {"Authorization": f"Bearer {made['key']}"}
    assert await me(control, key) == 200
    assert (await control.client.delete(path, headers=bob)).status_code == 204
    assert await me(control, key) == 401
    assert (await control.ask("DELETE", path)).json()["code"] == "key-not-found"
    nobodys = await control.ask("POST", "/auth/api-keys", json={"role": "viewer"})
    assert nobodys.json()["code"] == "user-not-found"  # the installation's key is no user
