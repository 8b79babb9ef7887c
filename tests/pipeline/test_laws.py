"""The laws of the line, over whatever a store, an upstream, an operator and a client may do."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from amaze_proxy.pipeline.relay import Abort
from amaze_proxy.policy.decision import Reason
from amaze_proxy.store.admission import Admitted, Outcome
from amaze_proxy.store.errors import StoreUnavailable
from amaze_proxy.store.keys import UNKNOWN_AGENT
from amaze_proxy.wire.ingress import BodyFault, ClientDisconnected, Fault, FaultKind
from amaze_proxy.wire.upstream import (
    AddressRefused,
    BrokenResponse,
    Unreachable,
    UpstreamTimeout,
)
from tests.pipeline.fakes import (
    AGENT,
    BEARER,
    JSON,
    OPEN,
    OPENAI,
    SSE,
    STREAM,
    WEB,
    WHOLE,
    WRONG,
    Answer,
    Answered,
    Reply,
    World,
    chat,
    silent,
)

AWAY = StoreUnavailable("away")
FAULT = BodyFault(Fault(FaultKind.MALFORMED, "bad", 400, None, None, "", b""))
STALE = Admitted(Outcome.STALE, session_id="session-1")
REFUSALS = [
    Admitted(Outcome.REFUSED, reason, session_id="session-1")
    for reason in (Reason.AGENT_QUARANTINED, Reason.BUDGET_EXCEEDED, Reason.GRAPH_VIOLATION)
]


@dataclass(frozen=True)
class Script:
    """One call and everything that happens to it."""

    url: str
    method: str
    stream: bool
    good_body: bool
    credential: bytes
    policy: int
    store: Sequence[Answer]
    reply: Reply
    settles: bool
    leaves: bool
    broken: bool
    leave_at: int
    stop_at: int


POLICIES = (
    {"name": "nothing"},
    OPEN,
    {**OPEN, "streaming": "block"},
    {**OPEN, "enforcement": "shadow"},
)


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    llm = draw(st.booleans())
    stream = draw(st.booleans())
    content = b"".join(STREAM) if stream else WHOLE
    cuts = sorted(draw(st.sets(st.integers(1, len(content) - 1), max_size=3)))
    parts = [content[a:b] for a, b in zip([0, *cuts], [*cuts, len(content)], strict=True)]
    short = draw(st.integers(0, len(parts)))
    fault = draw(
        st.sampled_from(
            [
                None,
                None,
                BrokenResponse("reset"),
                UpstreamTimeout("idle"),
                Unreachable("refused"),
                AddressRefused("loopback"),
                RuntimeError("ours"),
            ]
        )
    )
    dial = isinstance(fault, Unreachable | AddressRefused) or draw(st.booleans())
    status = draw(st.sampled_from([200, 200, 204, 404]))
    if fault is not None:
        parts = parts[:short]
    if status == 204:
        parts = []
    whole = fault is None and status == 200 and draw(st.booleans())
    method = draw(st.sampled_from(["GET", "PUT", "HEAD"])) if not llm else "POST"
    if method == "HEAD":
        parts = []
    return Script(
        url=OPENAI if llm else WEB,
        method=method,
        stream=stream,
        good_body=draw(st.sampled_from([True, True, True, False])),
        credential=draw(st.sampled_from([BEARER[1]] * 4 + [WRONG.encode()])),
        policy=draw(st.sampled_from([0, 1, 1, 1, 2, 3])),
        store=draw(
            st.sampled_from(
                [(), (), (), (STALE,), (STALE,) * 5, (AWAY,)] + [(r,) for r in REFUSALS]
            )
        ),
        reply=Reply(
            parts,
            status,
            (SSE if stream else JSON, (b"x-amaze-reason", b"forged")),
            len(content) if whole and (llm or method == "HEAD" or parts) else None,
            fault,
            dial,
        ),
        settles=draw(st.sampled_from([True, True, True, False])),
        leaves=draw(st.sampled_from([False] * 5 + [True])),
        broken=draw(st.sampled_from([False] * 5 + [True])),
        leave_at=draw(st.integers(-12, 16)),
        stop_at=draw(st.integers(-12, 16)),
    )


async def play(script: Script) -> tuple[World, Answered]:
    world = World(POLICIES[script.policy])
    world.gate.answers.extend(script.store)
    world.gate.settle_fault = None if script.settles else AWAY
    world.upstreams.reply = script.reply
    world.leave_at, world.stop_at = script.leave_at, script.stop_at
    body = chat(stream=script.stream) if script.good_body else {"model": 1}
    answered = await world.call(
        script.url,
        body,
        method=script.method,
        headers=((b"x-amaze-bearer", script.credential),),
        leaves=script.leaves,
        fault=FAULT if script.broken else None,
    )
    return world, answered


@settings(max_examples=400)
@given(scripts())
def test_the_laws(script: Script) -> None:
    with silent("amaze.proxy"):
        world, seen = asyncio.run(play(script))
    one_settlement(world)
    nothing_unadmitted(world)
    nothing_unrecorded(script, world, seen)
    charges(world)
    whole_or_cut(script, world, seen)
    ours_and_theirs(script, world, seen)


def one_settlement(world: World) -> None:
    """Every exit settles once, for the decision that was admitted, and traces what it settled."""
    assert len(world.gate.settlements) == 1
    # what only asks whose credential it is may have an id of its own: it reserves nothing
    ids = {one.decision_id for one in world.gate.admissions if not one.check_only}
    assert ids <= {world.settlement.decision_id}
    assert world.settlement.decision_id == world.record.decision_id
    assert len(world.spans.told) <= 1


def nothing_unadmitted(world: World) -> None:
    """Only what the store admitted last, with a reservation, is sent; once; and then closed."""
    assert len(world.upstreams.sent) <= 1
    if "dial" in world.events:
        last, given = world.gate.admissions[-1], world.gate.given[-1]
        assert (last.check_only, given.outcome) == (False, Outcome.ADMITTED)
        assert last.policy_version == world.policies.version
        assert "admit" not in world.events[world.events.index("dial") :]
    for sent in world.upstreams.sent:
        assert not [name for name, _ in sent.headers if name.startswith(b"x-amaze-")]
    assert all(response.closed for response in world.upstreams.responses)


def nothing_unrecorded(script: Script, world: World, seen: Answered) -> None:
    """An answer that a client has whole is in the log; a refusal at least was tried to be."""
    if seen.complete:
        assert world.events.index("settle") < world.events.index("complete")
    if seen.complete and seen.headers[b"x-amaze-decision"] == b"allow" and seen.status < 500:
        assert world.events.index("settled") < world.events.index("complete")
        assert world.record.status == script.reply.status


def charges(world: World) -> None:
    """What was not sent costs nothing; who is charged is who was admitted."""
    settled = world.settlement
    if "dial" not in world.events:
        assert not settled.charged
        assert (settled.tokens, settled.cost_microusd) == (0, 0)
    if not settled.charged:
        assert not settled.burn_step
        assert settled.record.tokens_in + settled.record.tokens_out == 0
    good = any(given.session_id for given in world.gate.given)
    assert settled.agent_id in ((AGENT, UNKNOWN_AGENT) if good else (UNKNOWN_AGENT,))
    if settled.charged:
        assert settled.agent_id == AGENT


def whole_or_cut(script: Script, world: World, seen: Answered) -> None:
    """Whoever stays gets one whole answer, or a connection that is cut; never a silent end."""
    if seen.error is None:
        assert seen.complete
    elif world.gone:
        assert isinstance(seen.error, Abort | ClientDisconnected | asyncio.CancelledError)
    else:
        assert isinstance(seen.error, Abort)
        assert not seen.complete or script.stop_at >= 0
        assert seen.status in (0, script.reply.status)


def ours_and_theirs(script: Script, world: World, seen: Answered) -> None:
    """`denied` and the decision in the answer are ours alone, and agree."""
    if b"x-amaze-decision" not in seen.headers:
        return
    assert seen.headers.get(b"x-amaze-reason") != b"forged"
    assert seen.headers[b"x-amaze-decision-id"].decode() == world.record.decision_id
    if seen.error is None and script.settles and script.stop_at < 0:
        denied = seen.headers[b"x-amaze-decision"] == b"deny"
        assert denied == world.record.denied
        assert seen.headers.get(b"x-amaze-reason", b"").decode() == (
            world.record.denial_reason or world.record.error.partition(":")[0]
        )
