from __future__ import annotations

from amaze_proxy.history.accounts import Account
from amaze_proxy.history.bundle import History
from amaze_proxy.history.drafts import Draft


async def test_a_draft_is_kept_replaced_and_deleted(history: History) -> None:
    first = Draft("ann", "a", "name: [é", 3, "{}", 1_900_000_000_000)
    await history.drafts.put(first)
    assert await history.drafts.get("ann", "a") == first
    second = Draft("ann", "a", "", 4, "", 5)
    await history.drafts.put(second)
    assert await history.drafts.get("ann", "a") == second
    await history.drafts.delete("ann", "a", "another text")
    assert await history.drafts.get("ann", "a") == second
    await history.drafts.delete("ann", "a", "")
    assert await history.drafts.get("ann", "a") is None
    await history.drafts.delete("ann", "a")


async def test_an_account_takes_its_drafts_with_it(history: History) -> None:
    for name in ("ann", "eve"):
        account = Account(name, "operator", "-", False, False, 1, 1)
        await history.accounts.change(name, lambda _before, _admins, made=account: made)
        await history.drafts.put(Draft(name, "a", "x", 0, "", 1))
    await history.accounts.change("ann", lambda _before, _admins: None)
    assert await history.drafts.get("ann", "a") is None
    assert await history.drafts.get("eve", "a") is not None
