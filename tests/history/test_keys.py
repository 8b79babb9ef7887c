from __future__ import annotations

from amaze_proxy.history.bundle import History
from amaze_proxy.history.keys import ApiKey

ONE = ApiKey("1" * 64, "admin", "admin", 10)
TWO = ApiKey("2" * 64, "admin", "admin", 20)


async def test_an_unknown_key_is_none(history: History) -> None:
    assert await history.keys.find(ONE.sha256) is None


async def test_the_first_of_a_name_stays(history: History) -> None:
    assert await history.keys.put_first(ONE)
    assert not await history.keys.put_first(TWO)
    assert await history.keys.find(ONE.sha256) == ONE
    assert await history.keys.find(TWO.sha256) is None


async def test_a_put_key_replaces_the_one_of_its_name(history: History) -> None:
    assert await history.keys.put(ONE)
    assert not await history.keys.put(ONE)
    assert await history.keys.put(TWO)
    assert await history.keys.find(ONE.sha256) is None
    assert await history.keys.find(TWO.sha256) == TWO
