"""The windows against an exact log of events: never more than the maximum passes, and what is
refused would not have fitted a window that is one bucket longer."""

from __future__ import annotations

import asyncio
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from amaze_proxy.policy.record import GENESIS, seal
from amaze_proxy.store import keys
from amaze_proxy.store.admission import Outcome, Settlement
from amaze_proxy.store.calls import admit_call, read_admitted, settle_call
from amaze_proxy.store.store import open_store
from tests.patience import PATIENCE

WINDOW, MAXIMUM, BUCKET = 60_000, 100, 1_000
BASE = 1_700_000_000_000

EVENTS = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 900), st.integers(0, 30_000), st.sampled_from([70_000, 200_000])),
        st.integers(0, 60),  # reserved
        st.one_of(st.none(), st.integers(0, 120)),  # really used, where it is settled
        st.integers(0, 65_000),  # how long the call took
    ),
    max_size=30,
)


class Model:
    """What counts from when: [time, amount]; and what is to be settled."""

    def __init__(self) -> None:
        self.events: list[list[int]] = []
        self.due: list[tuple[int, int, int, str]] = []

    def total(self, now: int, span: int) -> int:
        return sum(amount for at, amount in self.events if at > now - span)

    def settle(self, at: int, number: int, actual: int) -> None:
        event = self.events[number]
        if at // BUCKET - event[0] // BUCKET <= 60:
            event[1] = actual
        elif actual > event[1]:
            self.events.append([at, actual - event[1]])


async def play(url, script, events):
    store = await open_store(url, timeout=PATIENCE)
    try:
        await store.client.flushall()
        await script.enrol(store)
        await compare(store.hot.caller, script, events)
    finally:
        await store.close()


async def compare(caller, script, events):
    model, limits, now = Model(), (script.tokens(MAXIMUM, WINDOW),), BASE
    seq, link = 0, GENESIS
    for gap, reserved, actual, duration in events:
        now += gap
        for due in sorted(one for one in model.due if one[0] <= now):
            model.due.remove(due)
            at, number, spent, decision_id = due
            record = seal(script.record(decision_id), "w", seq + 1, link)
            seq, link = record.seq, record.hash
            settlement = Settlement(decision_id, "alice", record, limits, "t1", tokens=spent)
            made = settle_call(settlement, now_ms=at)
            assert await caller.fcall(made.function, made.keys, made.args)
            model.settle(at, number, spent)
        asked = script.admission(limits=limits, charge=script.llm(0, reserved))
        made = admit_call(asked, now_ms=now)
        admitted = read_admitted(await caller.fcall(made.function, made.keys, made.args), asked)
        if admitted.outcome is Outcome.ADMITTED:
            assert model.total(now, WINDOW) + reserved <= MAXIMUM
            model.events.append([now, reserved])
            if actual is not None:
                number = len(model.events) - 1
                model.due.append((now + duration, number, actual, asked.decision_id))
        else:
            assert model.total(now, WINDOW + BUCKET) + reserved > MAXIMUM


@given(events=EVENTS)
@settings(max_examples=60)
def test_a_window_agrees_with_the_exact_log(server, script, events):
    asyncio.run(play(server.url, script, events))


async def test_a_clock_that_goes_back_frees_nothing(store, script):
    caller, limits = store.hot.caller, (script.tokens(MAXIMUM, WINDOW),)
    outcomes = []
    for now in (BASE, BASE - 300_000, BASE + 70_000):
        asked = script.admission(limits=limits, charge=script.llm(0, MAXIMUM))
        made = admit_call(asked, now_ms=now)
        reply = await caller.fcall(made.function, made.keys, made.args)
        outcomes.append(read_admitted(reply, asked).outcome)
    assert outcomes == [Outcome.ADMITTED, Outcome.REFUSED, Outcome.ADMITTED]


async def test_a_lost_window_is_filled_again_and_a_present_one_left_alone(store, script) -> None:
    now = time.time_ns() // 1_000_000
    bucket, limit = now // BUCKET, script.tokens(MAXIMUM, WINDOW)

    def fill(*spent: tuple[int, int]):
        return store.windows.restore(script.agent_id, limit.name, WINDOW, spent)

    assert not await fill()
    assert not await fill((bucket, 0))
    # One that is over, three that count, of which one is ahead of the server's clock.
    assert await fill((bucket - 70, 500), (bucket - 30, 40), (bucket, 10), (bucket + 99, 10))
    assert not await fill((bucket, 999))
    answers = [
        await store.gate.admit(script.admission(limits=(limit,), charge=script.llm(tokens, 0)))
        for tokens in (41, 40)
    ]
    assert [one.outcome for one in answers] == [Outcome.REFUSED, Outcome.ADMITTED]
    assert await store.client.pttl(keys.window(script.agent_id, limit.name)) > WINDOW
