from __future__ import annotations

import asyncio
import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amaze_proxy.policy.decision import GraphStep, Reason
from amaze_proxy.policy.usage import Charge
from amaze_proxy.store.admission import Outcome
from amaze_proxy.store.agents import Agent, AgentStatus, Endpoint
from amaze_proxy.store.calls import admit_call, read_admitted
from amaze_proxy.store.errors import StoreUnavailable
from amaze_proxy.store.peers import Callee, Hop, hop_call
from amaze_proxy.store.store import open_store
from tests.patience import PATIENCE

BASE = 1_700_000_000_000
MINUTE = 60_000
TRACE, SPAN = "a" * 32, "b" * 16


def hop(decision_id="h1", depth=1, trace_id=TRACE, span_id=SPAN):
    return Hop(decision_id, "alice", depth, trace_id, span_id)


def ambient(script, **given):
    """An ambient call that costs 40 of 100 tokens."""
    defaults = {"limits": (script.tokens(100),), "charge": script.llm(0, 40)}
    return script.admission(turn_id="", ambient=True, **{**defaults, **given})


async def admit(store, script, **given):
    return await store.gate.admit(ambient(script, **given))


async def at(store, made):
    return await store.hot.caller.fcall(made.function, made.keys, made.args)


async def admit_at(store, script, now, **given):
    asked = ambient(script, **given)
    return read_admitted(await at(store, admit_call(asked, now_ms=now)), asked)


async def all_told(store):
    """No end of a hop is on its way."""
    while store.peers._telling:
        await asyncio.wait(store.peers._telling)


def conversation(admitted):
    return admitted.depth, admitted.trace_id, admitted.parent_span


async def test_a_callee_is_told_as_it_is(store, script):
    second, old, asked = (hashlib.sha256(name).hexdigest() for name in (b"2", b"3", b"4"))
    await store.agents.set_endpoint("alice", Endpoint("a2a.local", 9001, "chat.local", 9002))
    await store.agents.add_credential("alice", second)
    await store.agents.add_credential("alice", old, expires_ms=1)
    await store.agents.add_credential("alice", asked, pending=True)
    await store.policies.publish("alice", 4, "ff", "document")
    credentials = tuple(sorted((script.credential, second)))
    callee = Callee("alice", AgentStatus.APPROVED, "a2a.local", 9001, credentials, 4)
    assert await store.peers.look("alice") == callee
    assert await store.peers.hop(hop()) == callee


async def test_a_callee_that_does_not_exist(bare):
    nobody = Callee("alice", None, "", 0, (), 0)
    assert await bare.peers.look("alice") == nobody
    assert await bare.peers.hop(hop()) == nobody
    assert await bare.client.dbsize() == 0


@pytest.mark.parametrize(
    "status", [AgentStatus.PENDING, AgentStatus.QUARANTINED, AgentStatus.REJECTED]
)
async def test_a_hop_to_an_agent_that_may_not_act_is_not_noted(store, script, status):
    await store.agents.set_status("alice", status)
    before = await store.client.dbsize()
    assert (await store.peers.hop(hop())).status is status
    assert await store.client.dbsize() == before


async def test_looking_notes_nothing(store):
    before = await store.client.dbsize()
    await store.peers.look("alice")
    assert await store.client.dbsize() == before


async def test_a_deleted_agent_has_no_hops(store, script):
    await store.peers.hop(hop())
    await store.agents.delete("alice")
    await script.enrol(store)
    assert conversation(await admit(store, script)) == (0, "", "")


async def test_ambient_calls_belong_to_the_conversation_of_the_hop(store, script):
    assert conversation(await admit(store, script)) == (0, "", "")
    await store.peers.hop(hop(depth=3))
    assert conversation(await admit(store, script)) == (3, TRACE, SPAN)
    await store.peers.hop_end("alice", "h1")
    assert conversation(await admit(store, script)) == (0, "", "")


async def test_the_greatest_depth_and_the_latest_trace_count(store, script):
    await store.peers.hop(hop("h1", 5, "1" * 32, "1" * 16))
    await store.peers.hop(hop("h2", 2, "2" * 32, "2" * 16))
    assert conversation(await admit(store, script)) == (5, "2" * 32, "2" * 16)
    await store.peers.hop_end("alice", "h2")
    assert conversation(await admit(store, script)) == (5, "1" * 32, "1" * 16)


async def test_a_call_with_a_turn_of_its_own_is_in_no_hop(store, script):
    await store.peers.hop(hop(depth=3))
    assert conversation(await store.gate.admit(script.admission())) == (0, "", "")


async def test_refused_and_checked_calls_are_told_their_conversation(store, script):
    await store.peers.hop(hop(depth=3))
    known = (3, TRACE, SPAN)
    over = await admit(store, script, charge=script.llm(0, 500))
    assert (over.reason, conversation(over)) == (Reason.BUDGET_EXCEEDED, known)
    assert conversation(await admit(store, script, check_only=True)) == known
    stale = await admit(store, script, policy_version=7)
    assert (stale.outcome, conversation(stale)) == (Outcome.STALE, known)
    await store.agents.set_status("alice", AgentStatus.QUARANTINED)
    assert conversation(await admit(store, script)) == known


async def test_a_stranger_is_told_nothing(store, script):
    second = hashlib.sha256(b"second").hexdigest()
    await store.agents.add_credential("alice", second, pending=True)
    await store.peers.hop(hop(depth=3))
    for credential in (second, "0" * 64):
        told = await admit(store, script, credential_sha256=credential)
        assert (told.outcome, conversation(told)) == (Outcome.REFUSED, (0, "", ""))


async def test_a_hop_begins_a_turn(store, script):
    step = script.move(GraphStep(1, (None,), 1))
    first = await admit(store, script, graph=step)
    await store.peers.hop(hop())
    second = await admit(store, script, graph=step)
    assert (second.step, second.limits[0].used) == (1, 40)
    assert second.turn_id > first.turn_id
    again = await admit(store, script, graph=step)
    assert (again.reason, again.turn_id) == (Reason.EDGE_LOOP_EXCEEDED, second.turn_id)


async def test_a_refused_call_is_recorded_in_the_turn_of_the_hop(store, script):
    first = await admit(store, script)
    assert (await admit(store, script, check_only=True)).turn_id == first.turn_id
    await store.peers.hop(hop())
    checked = await admit(store, script, check_only=True)
    refused = await admit(store, script, charge=script.llm(0, 500))
    passed = await admit(store, script)
    assert checked.turn_id == refused.turn_id == passed.turn_id > first.turn_id


async def test_the_first_user_message_is_the_one_that_the_hop_brought(store, script):
    await admit(store, script)
    await store.peers.hop(hop())
    said = [
        await admit(store, script, user_message=user_message, charge=script.llm(0, 10))
        for user_message in (True, False, True, True)
    ]
    assert [one.limits[0].used for one in said] == [10, 20, 10, 10]
    assert said[0].turn_id == said[1].turn_id < said[2].turn_id < said[3].turn_id
    assert {conversation(one) for one in said} == {(1, TRACE, SPAN)}


async def test_a_tool_call_may_come_before_the_user_message_of_a_hop(store, script):
    await store.peers.hop(hop())
    said = [
        await admit(store, script, user_message=user_message, charge=script.llm(0, 10))
        for user_message in (False, False, True, False, True)
    ]
    assert [one.limits[0].used for one in said] == [10, 20, 30, 40, 10]
    assert len({one.turn_id for one in said}) == 2


async def test_a_refused_user_message_is_still_awaited(store, script):
    await store.peers.hop(hop())
    await admit(store, script)
    refused = await admit(store, script, user_message=True, charge=script.llm(0, 61))
    assert refused.reason is Reason.BUDGET_EXCEEDED
    assert (await admit(store, script, user_message=True)).limits[0].used == 80


async def test_a_repeated_admission_consumes_the_mark_once(store, script):
    await store.peers.hop(hop())
    await admit(store, script)
    asked = ambient(script, user_message=True)
    first = await store.gate.admit(asked)
    assert await store.gate.admit(asked) == first
    assert first.limits[0].used == 80


async def test_a_hop_that_ended_before_the_first_call_has_begun_a_turn(store, script):
    await admit(store, script)
    await store.peers.hop(hop())
    await store.peers.hop_end("alice", "h1")
    then = await admit(store, script)
    assert (then.limits[0].used, conversation(then)) == (40, (0, "", ""))
    assert (await admit(store, script)).limits[0].used == 80


async def test_a_hop_that_ended_after_a_call_begins_no_further_turn(store, script):
    await store.peers.hop(hop())
    await admit(store, script)
    await store.peers.hop_end("alice", "h1")
    assert (await admit(store, script)).limits[0].used == 80


async def test_a_hop_that_was_refused_has_changed_nothing(store, script):
    first = await admit(store, script)
    before = await store.client.dbsize()
    await store.peers.hop(hop())
    await store.peers.hop_end("alice", "h1", reached=False)
    assert await store.client.dbsize() == before
    second = await admit(store, script)
    assert (second.turn_id, second.limits[0].used) == (first.turn_id, 80)


async def test_a_refused_hop_does_not_take_another_ones_turn(store, script):
    await admit(store, script)
    await store.peers.hop(hop("h1"))
    await store.peers.hop(hop("h2"))
    await store.peers.hop_end("alice", "h2", reached=False)
    assert (await admit(store, script)).limits[0].used == 40


async def test_a_hop_is_idempotent(store, script):
    await store.peers.hop(hop())
    await admit(store, script)
    await store.peers.hop(hop())
    assert (await admit(store, script)).limits[0].used == 80
    await store.peers.hop_end("alice", "h1")
    await store.peers.hop_end("alice", "h1")
    assert conversation(await admit(store, script, charge=Charge())) == (0, "", "")


async def test_hops_that_end_at_once_are_told_together(store, script, monkeypatch):
    told, call = [], store.peers._hot.call

    async def counted(made):
        told.append(made)
        return await call(made)

    first = await admit(store, script)
    for name in ("h1", "h2", "h3"):
        await store.peers.hop(hop(name))
    monkeypatch.setattr(store.peers._hot, "call", counted)
    for name, reached in (("h1", True), ("h2", False), ("none", True)):
        store.peers.hop_ended("alice", name, reached=reached)
    await all_told(store)
    assert [made.function for made in told] == ["hop_end"]
    assert await store.peers.depth("alice") == 1
    store.peers.hop_ended("alice", "h3", reached=False)
    await all_told(store)
    assert await store.peers.depth("alice") == 0
    then = await admit(store, script)  # only the first one came to her, and began a turn
    assert (then.turn_id != first.turn_id, then.limits[0].used) == (True, 40)


async def test_hops_that_end_while_others_are_told_are_told_next(store, monkeypatch):
    told, gate = [], asyncio.Event()

    async def held(made):
        told.append(made.args)
        await gate.wait()

    monkeypatch.setattr(store.peers._hot, "call", held)
    store.peers.hop_ended("alice", "h1", reached=True)
    store.peers.hop_ended("bob", "h9", reached=True)
    while len(told) < 2:
        await asyncio.sleep(0)
    store.peers.hop_ended("alice", "h2", reached=False)
    store.peers.hop_ended("alice", "h3", reached=True)
    gate.set()
    await all_told(store)
    assert told == [("h1", "1"), ("h9", "1"), ("h2", "0", "h3", "1")]


async def test_a_store_that_is_away_is_told_of_the_next_hop_again(store, monkeypatch):
    told = []

    async def away(made):
        told.append(made.args)
        if made.args == ("h1", "1"):
            store.peers.hop_ended("alice", "h2", reached=True)
        raise StoreUnavailable("away")

    monkeypatch.setattr(store.peers._hot, "call", away)
    for name in ("h1", "h3"):
        store.peers.hop_ended("alice", name, reached=True)
        await all_told(store)
    assert told == [("h1", "1"), ("h2", "1"), ("h3", "1")]


async def test_an_older_turns_settlement_does_not_touch_the_turn_of_a_hop(store, script):
    asked = ambient(script)
    admitted = await store.gate.admit(asked)
    await store.peers.hop(hop())
    assert (await admit(store, script)).limits[0].used == 40
    await store.gate.settle(script.settlement(asked, admitted, tokens=90))
    assert (await admit(store, script)).limits[0].used == 80


async def test_a_hop_that_nobody_ends_expires(store, script):
    await at(store, hop_call(hop(depth=4), BASE))
    live = await admit_at(store, script, BASE + 15 * MINUTE - 1)
    assert conversation(live) == (4, TRACE, SPAN)
    over = await admit_at(store, script, BASE + 15 * MINUTE)
    assert conversation(over) == (0, "", "")
    await at(store, hop_call(hop("h2"), BASE + 16 * MINUTE))
    assert await store.client.hkeys("hops:{alice}") == [b"h2"]
    for key in ("hops:{alice}", "hops:{alice}:stamp", "hops:{alice}:depth"):
        assert 890_000 < await store.client.pttl(key) <= 900_002


async def test_an_expired_hop_does_not_count_beside_a_live_one(store, script):
    await at(store, hop_call(hop("h1", depth=9), BASE))
    await at(store, hop_call(hop("h2", depth=8), BASE + 1))
    await at(store, hop_call(hop("h3", depth=2), BASE + 10 * MINUTE))
    depths = [
        (await admit_at(store, script, BASE + minutes * MINUTE, check_only=True)).depth
        for minutes in (10, 15, 16, 25)
    ]
    assert depths == [9, 8, 2, 0]


async def test_a_clock_that_goes_back_does_not_lose_a_message(store, script):
    await admit_at(store, script, BASE)
    await at(store, hop_call(hop("h1", 1, "1" * 32), BASE - 5 * MINUTE))
    await at(store, hop_call(hop("h2", 1, "2" * 32), BASE - 9 * MINUTE))
    admitted = await admit_at(store, script, BASE - 9 * MINUTE)
    assert (admitted.limits[0].used, admitted.trace_id) == (40, "2" * 32)


async def test_at_most_a_thousand_are_kept_the_newest(store, script):
    calls = [hop_call(hop(f"h{n}", depth=2000 - n)) for n in range(1003)]
    for made in calls:
        await at(store, made)
    assert await store.client.hlen("hops:{alice}") == 1000
    assert await store.client.zcard("hops:{alice}:stamp") == 1000
    assert await store.client.zcard("hops:{alice}:depth") == 1000
    assert not {b"h0", b"h1", b"h2"} & set(await store.client.hkeys("hops:{alice}"))
    assert (await admit(store, script)).depth == 1997


async def test_what_is_no_hop_is_an_error(store):
    for wrong in (hop(depth=-1), hop(trace_id="a:b"), hop(span_id="a b"), hop(trace_id="a" * 65)):
        with pytest.raises(ValueError):
            await store.peers.hop(wrong)


async def test_a_look_that_makes_no_sense_is_an_error(store):
    for field, value in (("status", "fine"), ("a2a_port", "x"), ("a2a_host", b"\xff")):
        await store.client.hset("agent:{alice}", field, value)
        with pytest.raises(StoreUnavailable, match="no sense"):
            await store.peers.look("alice")
        await store.client.hset("agent:{alice}", mapping={"status": "approved", "a2a_port": 0})


async def test_looks_leave_with_the_admission_in_one_packet(store, script):
    await store.agents.create(Agent("bob", AgentStatus.APPROVED))
    await store.peers.look("bob")  # the connection is open
    protocol = store.hot.caller._protocol
    packets, write = [], protocol._transport.write

    class Counting:
        def write(self, data):
            packets.append(data)
            write(data)

        def __getattr__(self, name):
            return getattr(real, name)

    real, protocol._transport = protocol._transport, Counting()
    admitted, callee, server = await asyncio.gather(
        store.gate.admit(script.admission()),
        store.peers.hop(Hop("h1", "bob", 1, TRACE, SPAN)),
        store.peers.mcp("demo-mcp"),
    )
    protocol._transport = real
    assert (admitted.outcome, callee.agent_id, server) == (Outcome.ADMITTED, "bob", None)
    assert len(packets) == 1


async def test_functions_come_back_to_a_server_that_lost_them(store):
    await store.client.execute_command("FUNCTION FLUSH")
    looks = await asyncio.gather(*(store.peers.look("alice") for _ in range(5)))
    assert {look.status for look in looks} == {AgentStatus.APPROVED}


class Conversation:
    """What the agent's ambient turn is, said plainly: which message each turn began with."""

    def __init__(self):
        self.live, self.waiting, self.awaits_user = [], False, False
        self.used = 0

    def hop(self, number, depth):
        self.live.append((number, depth))

    def end(self, index, reached):
        if self.live:
            number, _ = self.live.pop(index % len(self.live))
            return number, reached
        return None

    def admit(self, begun, user_message):
        if begun:
            self.used, self.awaits_user = 0, not user_message
        elif user_message and self.awaits_user:
            self.awaits_user = False
        elif user_message:
            self.used = 0
        self.used += 1
        return self.used, max((depth for _, depth in self.live), default=0)


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("hop"), st.integers(0, 9)),
        st.tuples(st.just("end"), st.integers(0, 9)),
        st.tuples(st.just("refuse"), st.integers(0, 9)),
        st.tuples(st.just("admit"), st.booleans()),
    ),
    max_size=25,
)


async def play(url, script, events):
    store = await open_store(url, timeout=PATIENCE)
    try:
        await store.client.flushall()
        await script.enrol(store)
        await compare(store, script, events)
    finally:
        await store.close()


async def compare(store, script, events):
    """A message begins a turn at the next call after it, unless it was refused before that."""
    model, pending, begun_before = Conversation(), set(), False
    for number, (kind, value) in enumerate(events):
        if kind == "hop":
            model.hop(number, value)
            pending.add(number)
            await store.peers.hop(hop(f"h{number}", value, f"{number:032x}"))
        elif kind == "admit":
            by_itself = not (begun_before or pending)
            # a turn that no message began awaits no user's message
            expected = model.admit(by_itself or bool(pending), value or by_itself)
            pending.clear()
            begun_before = True
            limits = (script.tokens(1000),)
            charge = script.llm(0, 1)
            told = await admit(store, script, user_message=value, limits=limits, charge=charge)
            assert (told.limits[0].used, told.depth) == expected
            latest = max(model.live, default=None)
            assert told.trace_id == (f"{latest[0]:032x}" if latest else "")
        elif ended := model.end(value, kind == "end"):
            if kind == "refuse":
                pending.discard(ended[0])
            await store.peers.hop_end("alice", f"h{ended[0]}", reached=kind == "end")


@given(events=EVENTS)
@settings(max_examples=60)
def test_turns_agree_with_the_messages(server, script, events):
    asyncio.run(play(server.url, script, events))
