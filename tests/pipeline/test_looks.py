"""The store's word on a call, with what is registered now."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from amaze_proxy.pipeline.asking import Asking, Attempt, TurnClaim
from amaze_proxy.pipeline.calls import Call
from amaze_proxy.pipeline.conversation import Conversation
from amaze_proxy.pipeline.identity import Claim
from amaze_proxy.pipeline.looks import ask, authenticate, conversation_of, is_own, remember
from amaze_proxy.policy.decision import Decision, Effect, Reason
from amaze_proxy.policy.request import (
    AgentCall,
    AgentLook,
    CallKind,
    DiscoveryCall,
    LlmCall,
    Resource,
)
from amaze_proxy.protocols.llm import LlmRequest, parse_request
from amaze_proxy.protocols.providers import Family
from amaze_proxy.store.admission import Admission, Admitted, Outcome
from amaze_proxy.store.errors import StoreUnavailable
from amaze_proxy.store.registry import EntryStatus, LlmHost
from tests.patience import PATIENCE
from tests.pipeline.fakes import AGENT, SHA256, World

ME = Claim(AGENT, SHA256)
SIGNED = TurnClaim("turn-1", "ab" * 16, "cd" * 8, 1)
ALLOWED = Decision(Effect.ALLOW)
DENIED = Decision(Effect.DENY, Reason.NOT_ALLOWED)
LLM: LlmRequest = parse_request(
    Family.OPENAI_CHAT, b'{"model": "m", "messages": [{"role": "user", "content": "x"}]}'
)


@pytest.fixture
def world() -> World:
    world = World()
    world.registered.agent("writer", ("10.0.0.5", 9100))
    return world


def asking(resource: Resource, turn: TurnClaim = SIGNED, **more: Any) -> Asking:
    call = Call(CallKind.A2A, resource, "writer", **more)
    return Asking("decision", "ef" * 8, ME, turn, call)


def admission(world: World, turn: TurnClaim = SIGNED) -> Admission:
    return Admission("decision", AGENT, SHA256, world.policies.version, turn.turn_id)


async def asked(
    world: World, one: Asking, decision: Decision = ALLOWED, attempt: Attempt | None = None
) -> Any:
    wanted = admission(world, one.turn)
    return await ask(world.line, one, wanted, decision, attempt or Attempt())


HOP = AgentCall("writer", None, 1)
URL = "http://h:1/"


async def test_nobody_is_looked_up_for_a_call_to_nobody(world: World) -> None:
    admitted, seen = await asked(world, asking(LlmCall("openai", "m", True)))
    assert admitted.outcome is Outcome.ADMITTED
    assert (seen.callee, seen.refused) == (None, None)
    assert world.events == ["admit"]


async def test_an_agent_that_is_looked_at_is_not_told(world: World) -> None:
    _, seen = await asked(world, asking(AgentLook("writer")))
    assert seen.callee.host == "10.0.0.5"
    assert world.registered.hops == []


async def test_a_denied_call_is_no_hop(world: World) -> None:
    _, seen = await asked(world, asking(HOP), DENIED)
    assert seen.callee is not None
    assert world.registered.hops == []


@pytest.mark.parametrize("known", [True, False])
async def test_a_caller_that_is_not_known_moves_nobodys_turn(world: World, known: bool) -> None:
    if known:
        world.line.verified.note(ME)
    world.gate.answers.append(Admitted(Outcome.REFUSED, Reason.INVALID_BEARER))
    attempt = Attempt()
    await asked(world, asking(HOP), attempt=attempt)
    assert len(world.registered.hops) == known
    assert attempt.hopped == ("writer" if known else "")
    assert not world.line.verified.within(ME, 30)


@pytest.mark.parametrize("known", [True, False])
async def test_a_hop_in_a_signed_turn(world: World, known: bool) -> None:
    if known:
        world.line.verified.note(ME)
    await asked(world, asking(HOP))
    (hop,) = world.registered.hops
    assert (hop.depth, hop.trace_id, hop.span_id) == (2, "ab" * 16, "ef" * 8)
    assert world.registered.ended == []
    assert world.line.ambients.get(AGENT) is None


async def test_a_guess_that_was_wrong_is_taken_back(world: World) -> None:
    world.line.verified.note(ME)
    world.line.ambients.put(AGENT, Conversation("old", "", 0))
    world.gate.answers.append(
        Admitted(Outcome.ADMITTED, turn_id="a~2", trace_id="new", parent_span="span", depth=4)
    )
    await asked(world, asking(HOP, TurnClaim()))
    wrong, right = world.registered.hops
    assert (wrong.trace_id, wrong.depth) == ("old", 1)
    assert (right.trace_id, right.depth) == ("new", 5)
    assert world.registered.ended == [("writer", "decision", False)]


async def test_a_guess_that_was_right_costs_nothing_more(world: World) -> None:
    world.line.verified.note(ME)
    one = asking(HOP, TurnClaim())
    admitted = Admitted(Outcome.ADMITTED, turn_id="ambient~1", session_id="session-1")
    world.line.ambients.put(AGENT, conversation_of(one, admitted))
    await asked(world, one)
    assert len(world.registered.hops) == 1
    assert world.registered.ended == []
    assert sorted(world.events) == ["admit", "look"]


def test_an_ambient_turn_has_one_conversation() -> None:
    ambient = asking(HOP, TurnClaim())
    first = conversation_of(ambient, Admitted(Outcome.ADMITTED, turn_id="1", session_id="s"))
    again = conversation_of(ambient, Admitted(Outcome.ADMITTED, turn_id="1", session_id="s"))
    other = conversation_of(ambient, Admitted(Outcome.ADMITTED, turn_id="2", session_id="s"))
    assert first == again
    assert first.trace_id != other.trace_id
    assert len(first.trace_id) == 32
    assert conversation_of(asking(HOP), Admitted(Outcome.ADMITTED, depth=9)).depth == 1


MCP = DiscoveryCall("demo", "ping")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (EntryStatus.APPROVED, ""),
        (EntryStatus.PENDING, "MCP server 'demo' is pending"),
        (EntryStatus.REJECTED, "MCP server 'demo' is rejected"),
        (None, "MCP server 'demo' is not registered any more"),
    ],
)
async def test_a_server_as_it_is_now(world: World, status: EntryStatus | None, words: str) -> None:
    if status:
        world.registered.server("demo", "http://h:1/", status)
    _, seen = await asked(world, asking(MCP, entry="demo", entry_url=URL))
    assert (seen.refused.message if seen.refused else "") == words
    if words:
        assert seen.refused.reason is Reason.MCP_NOT_ALLOWED
        assert "amaze mcp approve demo" in seen.refused.advice


@pytest.mark.parametrize("status", [*EntryStatus, None])
async def test_a_model_host_as_it_is_now(world: World, status: EntryStatus | None) -> None:
    if status:
        world.registered.hosts["own"] = LlmHost("own", "http://h:1/", "openai", status)
    one = asking(LlmCall("own", "m", True), entry="own", entry_url=URL, llm=LLM)
    _, seen = await asked(world, one)
    assert (seen.refused is None) is (status is EntryStatus.APPROVED)
    if seen.refused:
        assert seen.refused.reason is Reason.LLM_NOT_ALLOWED
        assert "amaze llm add own" in seen.refused.advice


async def test_both_are_asked_at_once(world: World) -> None:
    world.registered.server("demo", "http://h:1/")
    both = asyncio.Barrier(2)
    reach = world.reach

    async def wait(event: str) -> None:
        await reach(event)
        await both.wait()

    world.reach = wait  # type: ignore[method-assign]
    async with asyncio.timeout(PATIENCE):
        await asked(world, asking(MCP, entry="demo", entry_url=URL))
    assert sorted(world.events) == ["admit", "look"]


async def test_a_store_that_is_away_says_nothing(world: World) -> None:
    world.gate.answers.append(StoreUnavailable("away"))
    with pytest.raises(StoreUnavailable):
        await asked(world, asking(MCP, entry="demo", entry_url=URL))


# -- whose credential it is -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "own", "known"),
    [
        (Admitted(Outcome.ADMITTED), True, True),
        (Admitted(Outcome.REFUSED, Reason.BUDGET_EXCEEDED), True, True),
        (Admitted(Outcome.REFUSED, Reason.AGENT_QUARANTINED, session_id="s"), True, True),
        (Admitted(Outcome.REFUSED, Reason.AGENT_NOT_APPROVED, session_id="s"), True, False),
        (Admitted(Outcome.REFUSED, Reason.AGENT_NOT_APPROVED), False, False),
        (Admitted(Outcome.REFUSED, Reason.INVALID_BEARER), False, False),
    ],
)
def test_whose_it_is_and_whether_it_is_remembered(
    world: World, answer: Admitted, own: bool, known: bool
) -> None:
    assert is_own(answer) is own
    remember(world.line, ME, answer)
    assert world.line.verified.within(ME, 30) is known


def test_what_the_store_refuses_is_forgotten(world: World) -> None:
    remember(world.line, ME, Admitted(Outcome.ADMITTED))
    remember(world.line, ME, Admitted(Outcome.REFUSED, Reason.INVALID_BEARER))
    assert not world.line.verified.within(ME, 30)


async def test_a_check_reserves_nothing(world: World) -> None:
    await authenticate(world.line, ME, "decision")
    (only,) = world.gate.admissions
    assert (only.check_only, only.policy_version) == (True, -1)
    assert only.limits == ()


async def test_a_server_that_has_just_moved_gets_nothing_at_its_old_url(world: World) -> None:
    world.registered.server("demo", "http://other:1/")
    _, seen = await asked(world, asking(MCP, entry="demo", entry_url=URL))
    assert seen.refused.message == "MCP server 'demo' was given another URL at this moment"
