from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.wire.pool import Pool


def test_the_last_used_is_taken_first() -> None:
    pool: Pool[int] = Pool(2, 10)
    assert pool.take("a") is None
    assert pool.put("a", 1) is None
    assert pool.put("a", 2) is None
    assert pool.put("b", 3) is None
    assert [pool.take("a"), pool.take("a"), pool.take("a")] == [2, 1, None]
    assert len(pool) == 1


def test_the_oldest_goes_when_there_are_too_many() -> None:
    pool: Pool[int] = Pool(2, 3)
    for connection in (1, 2):
        pool.put("a", connection)
    assert pool.put("a", 3) == 1
    assert pool.put("b", 4) is None
    assert pool.put("c", 5) == 2


def test_what_is_gone_is_forgotten() -> None:
    pool: Pool[int] = Pool(2, 3)
    pool.put("a", 1)
    pool.discard(1)
    pool.discard(1)
    assert pool.take("a") is None
    pool.put("a", 2)
    assert pool.clear() == [2]
    assert pool.take("a") is None


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=60))
def test_limits_hold_and_nothing_is_lost(steps: list[tuple[str, bool]]) -> None:
    pool: Pool[int] = Pool(2, 4)
    idle: dict[int, str] = {}
    for number, (key, put) in enumerate(steps):
        if put:
            idle[number] = key
            gone = pool.put(key, number)
            if gone is not None:
                del idle[gone]
        elif (taken := pool.take(key)) is not None:
            assert idle.pop(taken) == key
        assert len(pool) == len(idle) <= 4
        assert all(list(idle.values()).count(k) <= 2 for k in "abc")
