from __future__ import annotations

from dataclasses import replace

from amaze_proxy.history.accounts import Account, SignedSession
from amaze_proxy.history.agents import AgentRecord
from amaze_proxy.history.bundle import History
from amaze_proxy.history.keys import AccessKey

ANN = Account("ann", "admin", "hash", False, False, 1, 1)
BOB = Account("bob", "viewer", "hash", False, False, 1, 1)
KEY = AccessKey("k1", "f" * 64, "ann", "ci", "viewer", ("a", "b"), "amk_k1", 1, 0)


def session(number: int, account: str = "ann", created: int = 10) -> SignedSession:
    return SignedSession(f"{number:064}", account, created, created, created + 100)


async def put(history: History, *accounts: Account) -> None:
    for account in accounts:
        await history.accounts.change(account.name, lambda *_, new=account: new)


async def test_only_the_first_is_added_as_the_first(history: History) -> None:
    assert await history.accounts.add_first(ANN)
    assert not await history.accounts.add_first(BOB)
    assert await history.accounts.page("", 10) == (ANN,)


async def test_a_change_sees_the_account_and_the_other_admins(history: History) -> None:
    off = replace(ANN, name="off", disabled=True)
    await put(history, ANN, BOB, off)
    seen = []

    def look(account: Account | None, admins: int) -> Account | None:
        seen.append((account, admins))
        return account

    for name in ("ann", "bob", "nobody"):
        await history.accounts.change(name, look)
    assert seen == [(ANN, 0), (BOB, 1), (None, 1)]
    assert await history.accounts.get("nobody") is None


async def test_a_deleted_account_takes_sessions_and_keys_with_it(history: History) -> None:
    await put(history, ANN, BOB)
    assert await history.accounts.begin(session(1), "hash", 5)
    assert await history.accounts.begin(session(2, "bob"), "hash", 5)
    assert await history.access_keys.add(KEY)
    await history.accounts.change("ann", lambda *_: None)
    assert await history.accounts.session(session(1).sha256) is None
    assert await history.accounts.session(session(2).sha256) == (session(2, "bob"), BOB)
    assert await history.access_keys.find(KEY.sha256) is None


async def test_the_agents_of_a_deleted_account_are_nobodys(history: History) -> None:
    await put(history, ANN, BOB)
    for agent, owner in (("hers", "ann"), ("his", "bob")):
        record = AgentRecord(agent_id=agent, status="approved", created_ms=1, updated_ms=1)
        owned = replace(record, owner=owner)
        await history.agents.change(agent, lambda _before, new=owned: new)
    await history.accounts.change("ann", lambda *_: None)
    await put(history, ANN)  # somebody else of the same name
    found = [await history.agents.get(agent) for agent in ("hers", "his")]
    assert [record.owner for record in found if record] == ["", "bob"]


async def test_no_session_for_the_gone_the_disabled_and_the_changed(history: History) -> None:
    await put(history, replace(BOB, disabled=True), ANN)
    assert not await history.accounts.begin(session(1, "nobody"), "hash", 5)
    assert not await history.accounts.begin(session(1, "bob"), "hash", 5)
    assert not await history.accounts.begin(session(1), "another", 5)


async def test_sessions_are_bounded_and_the_ended_ones_go(history: History) -> None:
    await put(history, ANN, BOB)
    await history.accounts.begin(session(9, "bob", 0), "hash", 2)
    for number in (1, 2, 3):
        await history.accounts.begin(session(number, created=100 + number), "hash", 2)
    found = [await history.accounts.session(session(n).sha256) is not None for n in (9, 1, 2, 3)]
    assert found == [False, False, True, True]


async def test_sessions_are_touched_and_end(history: History) -> None:
    await put(history, ANN)
    await history.accounts.begin(session(1), "hash", 5)
    await history.accounts.touch(session(1).sha256, 50)
    await history.accounts.touch("nothing", 50)
    found = await history.accounts.session(session(1).sha256)
    assert found is not None
    assert found[0].seen_ms == 50
    await history.accounts.end(session(1).sha256)
    assert await history.accounts.session(session(1).sha256) is None


async def test_keys_are_found_listed_and_removed(history: History) -> None:
    await put(history, ANN, BOB)
    other = replace(KEY, key_id="k2", sha256="e" * 64, account="bob", scope=())
    assert await history.access_keys.add(KEY)
    assert await history.access_keys.add(other)
    assert not await history.access_keys.add(replace(KEY, key_id="k3", account="nobody"))
    assert await history.access_keys.find(KEY.sha256) == (KEY, ANN)
    assert await history.access_keys.get("k2") == other
    assert await history.access_keys.page("", "", 10) == (KEY, other)
    assert await history.access_keys.page("", "k1", 10) == (other,)
    assert await history.access_keys.page("ann", "", 10) == (KEY,)
    await history.access_keys.remove("k1")
    await history.access_keys.remove("k1")
    assert await history.access_keys.get("k1") is None
