"""The line itself: who, which turn, what; the verdict; and the one way out of every call."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import time

import pytest

from amaze_proxy.pipeline import outgoing
from amaze_proxy.pipeline.exchange import TURN_LIFETIME_MS, Exchange
from amaze_proxy.pipeline.relay import Abort
from amaze_proxy.policy.decision import Reason
from amaze_proxy.policy.turn import Turn, mint
from amaze_proxy.store.admission import Admitted, LimitState, Link, Outcome, Settlement
from amaze_proxy.store.errors import StoreUnavailable
from amaze_proxy.store.keys import UNKNOWN_AGENT
from amaze_proxy.wire.authority import Authority
from amaze_proxy.wire.ingress import BodyFault, ClientDisconnected, Fault, FaultKind, Ingress
from tests.pipeline.fakes import (
    AGENT,
    ANTHROPIC,
    BEARER,
    CREDENTIAL,
    JSON,
    OPEN,
    OPENAI,
    STREAM,
    TURN_KEY,
    WEB,
    WRONG,
    Header,
    Reply,
    World,
    chat,
    make_scope,
    streamed,
    whole,
)

AWAY = StoreUnavailable("the store did not answer in time")
STRANGER = (b"x-amaze-bearer", WRONG.encode())


def basic(text: str) -> bytes:
    return b"Basic " + base64.b64encode(text.encode())


def nothing_was_spent(world: World) -> None:
    """A denial gives everything back, and the upstream heard nothing."""
    assert world.upstreams.sent == []
    settled = world.settlement
    assert (settled.charged, settled.tokens, settled.cost_microusd) == (False, 0, 0)
    assert settled.record.denied
    assert settled.record.tokens_in == 0


# -- who ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "proxy"),
    [
        ((BEARER,), None),
        ((), basic(f"{AGENT}:{CREDENTIAL}")),
        ((BEARER,), basic(f"{AGENT}:{CREDENTIAL}")),
    ],
)
async def test_the_credential_comes_either_way(
    world: World, headers: tuple[Header, ...], proxy: bytes | None
) -> None:
    world.upstreams.reply = whole()
    answer = await world.call(OPENAI, chat(), headers=headers, proxy_authorization=proxy)
    assert answer.status == 200
    assert (world.record.agent_id, world.record.caller) == (AGENT, AGENT)


@pytest.mark.parametrize(("form", "status"), [("absolute", 407), ("tunnel", 403)])
async def test_no_credential_at_all(world: World, form: str, status: int) -> None:
    answer = await world.call(OPENAI, chat(), headers=(), form=form)
    assert answer.verdict == (status, "invalid-bearer")
    assert (b"proxy-authenticate" in answer.headers) == (status == 407)
    assert world.gate.admissions == [], "there is nothing to ask the store"
    assert (world.record.agent_id, world.record.caller) == (UNKNOWN_AGENT, "")
    nothing_was_spent(world)


async def test_a_credential_that_is_none_of_ours(world: World) -> None:
    answer = await world.call(OPENAI, chat(), headers=((b"x-amaze-bearer", b"nonsense"),))
    assert answer.verdict == (403, "invalid-bearer")
    assert world.record.agent_id == UNKNOWN_AGENT
    nothing_was_spent(world)


async def test_a_wrong_credential_is_recorded_as_nobodys(world: World) -> None:
    answer = await world.call(OPENAI, chat(), headers=(STRANGER,))
    assert answer.verdict == (403, "invalid-bearer")
    assert (world.record.agent_id, world.record.caller) == (UNKNOWN_AGENT, AGENT)
    assert world.settlement.agent_id == UNKNOWN_AGENT
    nothing_was_spent(world)


@pytest.mark.parametrize(
    ("url", "body", "more"),
    [
        (OPENAI, b"{", ()),
        ("https://api.openai.com/v1/files", b"", ()),
        (WEB, b"", ((b"x-amaze-turn", b"forged"),)),
    ],
)
async def test_a_stranger_learns_nothing_else(
    world: World, url: str, body: bytes, more: tuple[Header, ...]
) -> None:
    answer = await world.call(url, body, headers=(STRANGER, *more))
    assert answer.verdict == (403, "invalid-bearer")
    assert world.record.agent_id == UNKNOWN_AGENT
    nothing_was_spent(world)


@pytest.mark.parametrize(
    ("reason", "session", "owner"),
    [
        (Reason.AGENT_QUARANTINED, "session-1", AGENT),
        (Reason.AGENT_NOT_APPROVED, "session-1", AGENT),
        (Reason.AGENT_NOT_APPROVED, "", UNKNOWN_AGENT),
        (Reason.INVALID_BEARER, "", UNKNOWN_AGENT),
    ],
)
@pytest.mark.parametrize("body", [b"{", json.dumps(chat()).encode()])
async def test_what_the_store_says_of_the_agent_goes_first(
    world: World, reason: Reason, session: str, owner: str, body: bytes
) -> None:
    """Also where the body is broken; and it is the agent's record if the credential is its own."""
    world.gate.answers.append(Admitted(Outcome.REFUSED, reason, session_id=session))
    answer = await world.call(OPENAI, body)
    assert answer.verdict == (403, reason.value)
    assert world.record.agent_id == owner
    nothing_was_spent(world)


async def test_a_call_of_an_agent_without_a_policy() -> None:
    world = World(policy=None)
    answer = await world.call(OPENAI, chat())
    assert answer.verdict == (403, "policy-not-found")
    assert world.gate.admissions[0].check_only
    nothing_was_spent(world)


# -- which turn ---------------------------------------------------------------------------------


def turn(agent_id: str = AGENT, age_ms: int = 0, key: bytes = TURN_KEY) -> Header:
    issued = int(time.time() * 1000) - age_ms
    token = mint(key, Turn(agent_id, "turn-7", "a" * 32, "b" * 16, issued))
    return (b"x-amaze-turn", token.encode())


async def test_a_signed_turn_has_its_own_counters_and_trace(world: World) -> None:
    world.upstreams.reply = whole()
    await world.call(OPENAI, chat(), headers=(BEARER, turn()))
    (admission,) = world.gate.admissions
    assert (admission.turn_id, admission.ambient, admission.user_message) == (
        "turn-7",
        False,
        False,
    )
    assert world.settlement.turn_id == "turn-7"
    assert (world.record.turn_id, world.record.trace_id) == ("turn-7", "a" * 32)
    assert world.sent.header(b"traceparent") == f"00-{'a' * 32}-{world.record.span_id}-01".encode()
    assert world.spans.told == [(world.record, None)]
    assert (world.record.parent_span_id, world.record.provider) == ("b" * 16, "openai")


@pytest.mark.parametrize(
    "header",
    [
        turn("agent-2"),
        turn(age_ms=TURN_LIFETIME_MS + 60_000),
        turn(key=b"z" * 32),
        (b"x-amaze-turn", b"\xff"),
        (b"x-amaze-turn", b""),
    ],
)
async def test_a_turn_that_is_not_this_agents(world: World, header: Header) -> None:
    answer = await world.call(OPENAI, chat(), headers=(BEARER, header))
    assert answer.verdict == (403, "invalid-turn")
    assert world.record.agent_id == AGENT
    nothing_was_spent(world)


async def test_without_a_turn_it_is_the_ambient_one(world: World) -> None:
    world.upstreams.reply = whole()
    await world.call(OPENAI, chat())
    (admission,) = world.gate.admissions
    assert (admission.turn_id, admission.ambient, admission.user_message) == ("", True, True)
    assert world.settlement.turn_id == "ambient~1"
    first = world.record.trace_id
    assert len(first) == 32
    world.gate.settlements.clear()
    await world.call(OPENAI, chat())
    assert world.record.trace_id == first, "one conversation, one trace"


# -- what ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "body", "verdict"),
    [
        (OPENAI, b"{", (400, "malformed-request")),
        (OPENAI, b'{"model": "a", "model": "b"}', (400, "malformed-request")),
        ("https://api.openai.com/v1/files", b"", (403, "llm-not-allowed")),
        ("https://api.openai.com:8443/v1/chat/completions", b"", (403, "llm-not-allowed")),
        ("https://elsewhere.example.com/", b"", (403, "host-not-allowed")),
    ],
)
async def test_what_is_not_understood_or_not_allowed(
    world: World, url: str, body: bytes, verdict: tuple[int, str]
) -> None:
    answer = await world.call(url, body)
    assert answer.verdict == verdict
    assert answer.complete
    assert world.record.agent_id == AGENT
    assert answer.headers[b"x-amaze-decision"] == b"deny"
    assert answer.headers[b"x-amaze-decision-id"].decode() == world.record.decision_id
    assert world.record.output == answer.body.decode()
    nothing_was_spent(world)


@pytest.mark.parametrize("known", [True, False])
async def test_a_body_that_is_too_large(world: World, known: bool) -> None:
    if known:
        world.upstreams.reply = whole()
        assert (await world.call(OPENAI, chat())).status == 200
        world.gate.settlements.clear()
        world.upstreams.sent.clear()
    world.rule(request_body_max=100_000)
    answer = await world.call(OPENAI, [b" " * 50_000] * 3)
    assert answer.verdict == (413, "request-too-large")
    assert world.record.input_size == 150_000
    nothing_was_spent(world)


async def test_a_stranger_may_not_send_much(world: World) -> None:
    answer = await world.call(OPENAI, [b" " * 50_000] * 100, headers=(STRANGER,))
    assert answer.verdict == (403, "invalid-bearer")
    assert world.events.count("receive") == 2
    assert (world.record.input_size, len(world.record.input)) == (100_000, 2048)
    assert world.record.truncated
    nothing_was_spent(world)


def broken(kind: FaultKind) -> BodyFault:
    return BodyFault(Fault(kind, "the chunk is bad", kind.status, None, None, "", b""))


@pytest.mark.parametrize("url", [OPENAI, WEB])
@pytest.mark.parametrize(
    ("kind", "verdict"),
    [
        (FaultKind.MALFORMED, (400, "malformed-request")),
        (FaultKind.TOO_LARGE, (413, "request-too-large")),
        (FaultKind.TIMEOUT, (408, "malformed-request")),
    ],
)
async def test_a_body_whose_bytes_are_broken(
    world: World, url: str, kind: FaultKind, verdict: tuple[int, str]
) -> None:
    answer = await world.call(url, [b"ab"], fault=broken(kind))
    assert answer.verdict == verdict
    assert world.upstreams.sent == []
    assert world.record.denied
    assert world.record.input == "ab"


async def test_anthropic_is_refused_in_its_own_shape(world: World) -> None:
    answer = await world.call(ANTHROPIC, b"{")
    assert answer.json["error"]["type"] == "invalid_request_error"
    assert answer.json["request_id"] == world.record.decision_id
    answer = await world.call(OPENAI, b"{")
    assert answer.json["error"]["code"] == "malformed-request"
    assert answer.json["error"]["param"] is None
    answer = await world.call("https://elsewhere.example.com/")
    assert answer.json["error"]["type"] == "amaze_denied"
    assert "param" not in answer.json["error"]


async def test_the_plain_shape_for_everyone(world: World) -> None:
    world.rule(plain_denials=True)
    answer = await world.call(ANTHROPIC, b"{")
    assert answer.json["error"]["type"] == "amaze_denied"


# -- the verdict --------------------------------------------------------------------------------


async def test_a_policy_that_has_changed_is_decided_by_again(world: World) -> None:
    world.upstreams.reply = whole()
    assert (await world.call(OPENAI, chat())).status == 200
    world.policies.put({"name": "nothing"})
    world.gate.settlements.clear()
    world.upstreams.sent.clear()
    answer = await world.call(OPENAI, chat())
    assert answer.verdict == (403, "llm-not-allowed")
    assert "policy version 2" in answer.json["error"]["message"]
    assert world.record.policy_version == 2
    assert [a.policy_version for a in world.gate.admissions] == [1, 1, 2]
    nothing_was_spent(world)


async def test_a_policy_that_now_allows_is_decided_by_again(world: World) -> None:
    world.policies.put({"name": "nothing"})
    await world.call(OPENAI, chat())
    world.policies.put(OPEN)
    world.gate.settlements.clear()
    world.upstreams.reply = whole()
    assert (await world.call(OPENAI, chat())).status == 200
    assert world.record.policy_version == 3
    assert [a.check_only for a in world.gate.admissions] == [True, True, False]


async def test_a_policy_that_never_holds_still_is_no_reason_to_pass(world: World) -> None:
    world.gate.answers.extend([Admitted(Outcome.STALE, session_id="session-1")] * 5)
    answer = await world.call(OPENAI, chat())
    assert answer.verdict == (403, "internal-error")
    assert world.record.agent_id == AGENT, "its credential was good each time"
    nothing_was_spent(world)


async def test_a_policy_that_is_no_policy_is_no_reason_to_pass(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.policies.put({"nonsense": 1})
    answer = await world.call(OPENAI, chat())
    assert answer.verdict == (403, "internal-error")
    assert world.record.error == "PolicyError"
    assert world.record.agent_id == UNKNOWN_AGENT, "nobody has checked the credential"
    assert "internal error" in caplog.text
    nothing_was_spent(world)


async def test_a_refusal_of_the_store_says_what_is_left(world: World) -> None:
    world.policies.put({**OPEN, "max_tokens_per_turn": 100})
    world.gate.answers.append(
        Admitted(
            Outcome.REFUSED,
            Reason.BUDGET_EXCEEDED,
            limits=(LimitState("tokens", 100, 90),),
            failed_limit="tokens",
            session_id="session-1",
        )
    )
    answer = await world.call(OPENAI, chat())
    assert answer.verdict == (403, "budget_exceeded")
    assert answer.json["error"]["details"]["limits"] == [
        {"name": "tokens", "maximum": 100, "used": 90, "left": 10}
    ]
    assert world.settlement.limits == world.gate.admissions[0].limits
    nothing_was_spent(world)


async def test_hard_budgets_write_what_is_granted_into_the_request(world: World) -> None:
    world.policies.put({**OPEN, "hard_budgets": True, "max_tokens_per_turn": 200})
    world.gate.answers.append(
        Admitted(Outcome.ADMITTED, granted_output=7, turn_id="ambient~1", session_id="session-1")
    )
    world.upstreams.reply = whole()
    headers = (BEARER, JSON, (b"content-length", b"999"), (b"digest", b"x"), (b"x-other", b"1"))
    answer = await world.call(OPENAI, chat(max_tokens=5000), headers=headers)
    assert answer.status == 200
    assert world.gate.admissions[0].lower_output_limit
    assert world.sent.json == chat(max_tokens=7)
    names = [name for name, _ in world.sent.headers]
    assert b"content-length" not in names
    assert b"digest" not in names
    assert b"x-other" in names


async def test_an_edit_that_changes_the_call_is_not_sent(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    other = json.dumps({**chat(), "model": "gpt-9"}).encode()
    monkeypatch.setattr(outgoing, "prepare", lambda *_, **__: other)
    answer = await world.call(OPENAI, chat())
    assert answer.verdict == (403, "internal-error")
    nothing_was_spent(world)
    world.gate.settlements.clear()
    monkeypatch.setattr(outgoing, "prepare", lambda *_, **__: b"{")
    assert (await world.call(OPENAI, chat())).verdict == (403, "internal-error")
    nothing_was_spent(world)


async def test_shadow_mode_lets_pass_and_records_what_it_would_have_refused(world: World) -> None:
    world.policies.put({"name": "p", "enforcement": "shadow"})
    world.upstreams.reply = whole()
    assert (await world.call(OPENAI, chat())).status == 200
    assert (world.record.denied, world.record.would_deny) == (False, "llm-not-allowed")
    assert world.gate.admissions[0].shadow


async def test_alerts_are_recorded(world: World) -> None:
    world.gate.answers.append(
        Admitted(
            Outcome.ADMITTED,
            alerts=(Reason.BUDGET_EXCEEDED, Reason.BUDGET_EXCEEDED, Reason.GRAPH_VIOLATION),
            session_id="session-1",
        )
    )
    world.upstreams.reply = whole()
    assert (await world.call(OPENAI, chat())).status == 200
    assert world.record.alert == "budget_exceeded,graph_violation"
    assert world.record.would_deny == ""


# -- the store is away --------------------------------------------------------------------------


async def test_a_store_that_does_not_admit(world: World) -> None:
    world.gate.answers.append(AWAY)
    answer = await world.call(OPENAI, chat())
    assert answer.verdict == (503, "redis-unavailable")
    assert answer.headers[b"x-should-retry"] == b"false"
    assert world.record.error == str(AWAY)
    assert world.record.agent_id == UNKNOWN_AGENT, "this worker has never seen the credential"
    nothing_was_spent(world)


async def test_the_reservation_of_an_unanswered_admission_goes_back(world: World) -> None:
    world.policies.put({**OPEN, "max_tokens_per_turn": 1000})
    world.upstreams.reply = whole()
    assert (await world.call(OPENAI, chat())).status == 200
    world.gate.settlements.clear()
    world.upstreams.sent.clear()
    world.gate.answers.append(AWAY)
    headers = (BEARER, turn())
    assert (await world.call(OPENAI, chat(), headers=headers)).status == 503
    asked = world.gate.admissions[-1]
    settled = world.settlement
    assert settled.agent_id == AGENT
    assert (settled.limits, settled.turn_id) == (asked.limits, "turn-7")
    assert settled.decision_id == asked.decision_id
    nothing_was_spent(world)


async def test_a_store_that_does_not_authenticate_a_broken_call(world: World) -> None:
    world.gate.answers.append(AWAY)
    assert (await world.call(OPENAI, b"{")).verdict == (503, "redis-unavailable")
    nothing_was_spent(world)


async def test_a_whole_answer_that_cannot_be_recorded_is_not_given(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.gate.settle_fault = AWAY
    world.upstreams.reply = whole()
    answer = await world.call(OPENAI, chat())
    assert answer.verdict == (503, "redis-unavailable")
    assert answer.complete
    assert b"Four" not in answer.body
    assert len(world.gate.settlements) == 1
    assert "neither store nor journal" in caplog.text


async def test_a_stream_that_cannot_be_recorded_is_not_ended(world: World) -> None:
    world.gate.settle_fault = AWAY
    world.upstreams.reply = streamed()
    answer = await world.call(OPENAI, chat(stream=True))
    assert isinstance(answer.error, Abort)
    assert not answer.complete
    assert b"[DONE]" not in answer.body
    last = json.loads(answer.body.strip().splitlines()[-1].removeprefix(b"data: "))
    assert last["error"]["code"] == "redis-unavailable"


@pytest.mark.parametrize("length", [None, 7])
async def test_bytes_that_cannot_be_recorded_are_not_ended(
    world: World, length: int | None
) -> None:
    world.gate.settle_fault = AWAY
    world.upstreams.reply = Reply((b"one ", b"two"), length=length)
    answer = await world.call(WEB, method="GET")
    assert isinstance(answer.error, Abort)
    assert not answer.complete


async def test_a_refusal_that_cannot_be_recorded_is_a_refusal_all_the_same(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.gate.settle_fault = AWAY
    answer = await world.call(OPENAI, b"{")
    assert answer.verdict == (400, "malformed-request")
    (logged,) = [r for r in caplog.records if r.levelno == logging.CRITICAL]
    assert world.settlement.decision_id in logged.getMessage()


async def test_a_broken_stream_that_cannot_be_recorded_is_still_told_and_cut(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.gate.settle_fault = AWAY
    world.upstreams.reply = streamed(STREAM[:2])
    answer = await world.call(OPENAI, chat(stream=True))
    assert isinstance(answer.error, Abort)
    assert b"ended its stream" in answer.body
    assert "neither store nor journal" in caplog.text


async def test_who_leaves_while_nothing_can_be_recorded_is_cut(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.gate.settle_fault = AWAY
    answer = await world.call(OPENAI, [b"{"], leaves=True)
    assert answer.error is not None
    assert "neither store nor journal" in caplog.text


# -- who leaves, who is stopped -----------------------------------------------------------------


async def test_a_client_that_hangs_up_before_its_request_is_whole(world: World) -> None:
    answer = await world.call(OPENAI, [b'{"model"'], leaves=True)
    assert not isinstance(answer.error, asyncio.CancelledError)
    settled = world.settlement
    assert (settled.record.error, settled.record.denied) == ("client went away", False)
    assert not settled.charged
    assert settled.record.input == '{"model"'
    assert world.upstreams.sent == []


async def test_a_client_that_hangs_up_while_its_body_is_streamed_on(world: World) -> None:
    await world.call(WEB, [b"abc"], method="PUT", leaves=True)
    assert world.record.error == "client went away"
    assert world.record.agent_id == AGENT


async def test_a_client_that_hangs_up_while_the_store_is_asked(world: World) -> None:
    """What the store may have reserved goes back, once somebody knows whose it was."""
    world.upstreams.reply = whole()
    assert (await world.call(OPENAI, chat())).status == 200
    world.gate.settlements.clear()
    world.upstreams.sent.clear()
    world.leave_at = len(world.events) + world.events.index("admit")
    await world.call(OPENAI, chat())
    assert world.upstreams.sent == []
    assert world.settlement.agent_id == AGENT
    assert not world.settlement.charged
    assert world.settlement.decision_id == world.gate.admissions[-1].decision_id


async def test_a_client_that_is_gone_when_it_is_answered_is_not_our_fault(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """`send` says so where the connection was lost without a cancellation."""
    world.upstreams.reply = Reply((b"one ", b"two"))
    original = world.reach

    async def reach(event: str) -> None:
        world.gone = world.gone or event == "chunk"
        await original(event)

    world.reach = reach  # type: ignore[method-assign]
    answer = await world.call(WEB, method="GET")
    assert isinstance(answer.error, Abort | ClientDisconnected)
    assert (world.record.denied, world.record.error) == (False, "client went away")
    assert "internal error" not in caplog.text


@pytest.mark.parametrize(("event", "charged"), [("dial", True), ("chunk", True)])
async def test_an_operator_stops_a_call_before_its_answer(
    world: World, event: str, charged: bool
) -> None:
    world.upstreams.reply = whole()
    await world.call(OPENAI, chat())
    world.stop_at = len(world.events) + world.events.index(event)
    world.gate.settlements.clear()
    answer = await world.call(OPENAI, chat())
    assert answer.verdict == (403, "agent-quarantined")
    assert answer.complete
    assert AGENT in answer.json["error"]["message"]
    assert world.settlement.charged == charged
    assert (world.record.denied, world.record.agent_id) == (True, AGENT)


async def test_a_stop_after_the_record_says_nothing_else(world: World) -> None:
    """What is on record as allowed is cut off, not told as refused."""
    world.upstreams.reply = whole()
    settle = world.line.gate.settle

    async def then_stopped(settlement: Settlement) -> Link:
        link = await settle(settlement)
        world.line.in_flight.stop(AGENT)
        await asyncio.sleep(0)
        return link

    world.gate.settle = then_stopped  # type: ignore[method-assign]
    answer = await world.call(OPENAI, chat())
    assert isinstance(answer.error, Abort)
    assert answer.status == 0
    assert (world.record.status, world.record.denied) == (200, False)


async def test_an_operator_stops_a_stream(world: World) -> None:
    world.upstreams.reply = streamed(STREAM[:2], hang=True)
    asked = ["receive", "admit", "dial", "chunk", "send", "send", "chunk"]
    world.stop_at = len(asked) - 1
    answer = await world.call(OPENAI, chat(stream=True))
    assert world.events[: len(asked)] == asked
    assert isinstance(answer.error, Abort)
    assert not answer.complete
    last = json.loads(answer.body.strip().splitlines()[-1].removeprefix(b"data: "))
    assert last["error"]["code"] == "agent-quarantined"
    assert (world.record.denied, world.record.denial_reason) == (True, "agent-quarantined")
    assert world.settlement.charged
    assert world.upstreams.responses[0].closed


async def test_a_claim_alone_cannot_be_stopped(world: World) -> None:
    """Or a stranger would learn that the agent is quarantined."""
    world.stop_at = 0  # while the body is read
    answer = await world.call(OPENAI, chat(), headers=(STRANGER,))
    assert answer.verdict == (403, "invalid-bearer")


async def test_an_exchange_has_a_target(world: World) -> None:
    scope = make_scope("/x", "GET", ())
    ingress: Ingress = scope["extensions"]["amaze"]
    with pytest.raises(ValueError, match="target"):
        Exchange(world.line, ingress, scope, None, None)  # type: ignore[arg-type]


async def test_a_scope_without_a_raw_path(world: World) -> None:
    scope = make_scope(WEB, "GET", (BEARER,))
    del scope["raw_path"]
    ingress = scope["extensions"]["amaze"]
    assert ingress.authority == Authority("https", "files.example.com", 443)
    made = Exchange(world.line, ingress, scope, None, None)  # type: ignore[arg-type]
    assert made.head.path == "/a b"
