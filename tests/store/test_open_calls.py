from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from amaze_proxy.policy.chain import Chains, read_link
from amaze_proxy.policy.record import from_json
from amaze_proxy.policy.turn import ambient_trace
from amaze_proxy.store.admission import Outcome
from amaze_proxy.store.errors import StoreUnavailable
from amaze_proxy.store.journal import Journal
from amaze_proxy.store.late import SETTLED_LATE
from amaze_proxy.store.open_calls import ABANDONED, Facts, Writer, facts_of, read_open
from amaze_proxy.store.store import open_store
from tests.patience import PATIENCE

FACTS = Facts(
    ts=1_700_000_000_000,
    span_id="5" * 16,
    caller="alice",
    kind="llm",
    target="api.openai.com",
    model="gpt",
    method="POST",
    path="/v1/é\ud800",
    turn_id="t1",
    trace_id="a" * 32,
    parent_span="b" * 16,
)


async def admit(store, script, **given):
    """An admission that passed, which says what it is."""
    asked = script.admission(**{"facts": facts_of(FACTS), **given})
    admitted = await store.gate.admit(asked)
    assert admitted.outcome is Outcome.ADMITTED
    return asked, admitted


async def open_of(store):
    return (await store.open_calls.of("alice"))[0]


async def abandon(store):
    """Every open call, as if all workers were dead."""
    writer = Writer("sweep", "alice")
    return [await store.open_calls.abandon(one, writer) for one in await open_of(store)]


async def records(store):
    """Oldest first."""
    return (await store.audit.recent("alice"))[::-1]


async def test_a_call_is_open_from_its_admission_to_its_settlement(store, script):
    asked, admitted = await admit(store, script)
    (found,) = await open_of(store)
    assert found.decision_id == asked.decision_id
    await store.gate.settle(script.settlement(asked, admitted))
    assert await open_of(store) == []
    assert await store.client.exists("open:{alice}") == 0


@pytest.mark.parametrize(
    "given",
    [{"check_only": True}, {"policy_version": 7}, {"credential_sha256": "0" * 64}],
    ids=["checked only", "stale", "refused"],
)
async def test_what_is_not_admitted_is_not_open(store, script, given):
    await store.gate.admit(script.admission(**given))
    assert await open_of(store) == []


async def test_the_record_says_what_was_told_and_is_charged_what_was_reserved(store, script):
    charge = script.llm(30, 70, input_price=1_000_000, output_price=2_000_000)
    asked, _ = await admit(store, script, charge=charge, limits=(script.tokens(1000),))
    assert await abandon(store) == [True]
    (record,) = await records(store)
    assert record.error.startswith(ABANDONED)
    assert (record.decision_id, record.agent_id, record.kind) == (asked.decision_id, "alice", "llm")
    assert (record.tokens_in, record.tokens_out, record.cost_microusd) == (30, 70, 170)
    assert (record.turn_id, record.trace_id, record.parent_span_id) == ("t1", "a" * 32, "b" * 16)
    assert (record.session_id, record.policy_version, record.estimated) == ("s1", 1, True)
    assert (record.ts, record.model, record.path) == (FACTS.ts, "gpt", FACTS.path)
    assert (record.denied, record.status) == (False, 0)
    later = await store.gate.admit(script.admission(limits=(script.tokens(1000),)))
    assert later.limits[0].used == 100


async def test_an_ambient_call_is_in_the_turn_and_trace_that_the_store_gave_it(store, script):
    facts = facts_of(replace(FACTS, turn_id="", trace_id="", parent_span=""))
    _, admitted = await admit(store, script, turn_id="", ambient=True, facts=facts)
    (found,) = await open_of(store)
    assert found.record.turn_id == admitted.turn_id
    assert found.record.trace_id == ambient_trace("alice", "s1", admitted.turn_id)


async def test_one_record_for_each_whoever_is_first(store, script):
    calls = [await admit(store, script) for _ in range(20)]
    swept, other = await open_of(store), Writer("other", "alice")
    writer = Writer("sweep", "alice")

    async def sweep(by):
        for one in swept:
            await store.open_calls.abandon(one, by)

    async def settle():
        for asked, admitted in calls:
            await store.gate.settle(script.settlement(asked, admitted))

    await asyncio.gather(sweep(writer), sweep(other), settle())
    told = [one.decision_id for one in await records(store) if one.alert != SETTLED_LATE]
    assert sorted(told) == sorted(asked.decision_id for asked, _ in calls)
    assert await store.audit.verify("alice") == []
    assert await open_of(store) == []


async def test_a_worker_that_comes_back_tells_it_late_and_its_chain_goes_on(store, script):
    first, one = await admit(store, script), await admit(store, script)
    await store.gate.settle(script.settlement(*first))
    assert await abandon(store) == [True]
    two = await admit(store, script)
    # settled at once: they leave as one batch
    await asyncio.gather(
        store.gate.settle(script.settlement(*one)), store.gate.settle(script.settlement(*two))
    )
    await store.gate.settle(script.settlement(*await admit(store, script)))
    found = await records(store)
    assert [each.decision_id for each in found] == ["d1", "d2", "late-d2", "d3", "d4"]
    assert (found[2].alert, found[2].kind) == (SETTLED_LATE, "admin")
    assert from_json(found[2].input).decision_id == "d2"
    assert await store.audit.verify("alice") == []


async def test_nobody_is_admitted_again_to_an_abandoned_call(store, script):
    asked, _ = await admit(store, script)
    await abandon(store)
    with pytest.raises(StoreUnavailable):
        await store.gate.admit(asked)


async def test_a_journal_that_comes_late_is_told_the_same_however_often(
    store, script, server, tmp_path, until
):
    left = [await admit(store, script) for _ in range(3)]
    await abandon(store)
    kept = await admit(store, script)
    settlements = [script.settlement(*one) for one in (*left, kept)]
    chain = store.gate._chains.setdefault("alice", _chain())
    sealed = [chain.seal(one) for one in settlements]
    for number in (1, 2):  # as after a crash between the delivery and the end of the journal
        directory = tmp_path / f"dead{number}"
        Journal.create(directory, "gone").append(sealed)
        _unlock(directory)
        again = await open_store(server.url, directory, timeout=PATIENCE)
        await until(lambda again=again: _is_empty(again))
        await again.close()
    texts = [item.text for item in await store.audit.read("alice")]
    told = [read_link(text).decision_id for text in texts]
    assert told == ["d1", "d2", "d3", "late-d1", "late-d2", "late-d3", "d4"]
    chains = Chains()
    for text in texts:
        chains.follow(read_link(text))
    assert chains.flaws == []


def _chain():
    from amaze_proxy.store.gate import _Chain

    return _Chain("gone:alice")


def _unlock(directory):
    """A copy of the file, which nobody has locked."""
    path = directory / "gone.journal"
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data)


async def _is_empty(store):
    return store.gate.journal_bytes == 0


async def test_entries_that_make_no_sense_are_told_and_can_be_removed(store):
    await store.client.hset("open:{alice}", "d1", "what?")
    assert await store.open_calls.of("alice") == ([], ["d1"])
    await store.open_calls.drop("alice", "d1")
    assert await store.open_calls.of("alice") == ([], [])
    assert await records(store) == []


@pytest.mark.parametrize(
    "text",
    ["", "1 2 3", "x 2 3 4 5 6 7 8 i 1 ", "1 2 3 4 5 6 7 8 i 1 {}", "1 2 3 4 5 6 7 8 i 1 [1]"],
)
def test_an_entry_is_read_strictly(text):
    with pytest.raises(ValueError):
        read_open("alice", "d1", text)


def test_an_entry_without_facts_is_a_call_of_which_nothing_else_is_known():
    found = read_open("alice", "d1", " ".join(["1", "2", "3", "", "", "s", "", "", "i", "9", ""]))
    assert (found.record.kind, found.record.tokens_in) == ("unknown", 1)
