"""CONNECT and broken bytes: who may open a tunnel, and what is said and recorded."""

from __future__ import annotations

import base64
import json

import pytest

from amaze_proxy.pipeline.gatekeeper import Gatekeeper
from amaze_proxy.policy.decision import Reason
from amaze_proxy.store.admission import Admitted, Outcome
from amaze_proxy.store.errors import StoreUnavailable
from amaze_proxy.store.keys import UNKNOWN_AGENT
from amaze_proxy.wire.authority import Authority
from amaze_proxy.wire.ingress import Answer, Fault, FaultKind
from tests.pipeline.fakes import AGENT, CREDENTIAL, WRONG, World

TARGET = Authority("https", "api.openai.com", 443)
AWAY = StoreUnavailable("away")


def basic(text: str) -> bytes:
    return b"Basic " + base64.b64encode(text.encode())


GOOD = basic(f"{AGENT}:{CREDENTIAL}")
BAD = basic(f"{AGENT}:{WRONG}")


async def connect(world: World, credential: bytes | None) -> Answer | None:
    return await Gatekeeper(world.line).connect(TARGET, credential, "127.0.0.1:1")


def header(answer: Answer, name: bytes) -> bytes:
    return dict(answer.headers).get(name, b"")


async def test_a_good_credential_opens_tunnels_and_is_not_asked_about_again(world: World) -> None:
    for _ in range(3):
        assert await connect(world, GOOD) is None
    (admission,) = world.gate.admissions
    assert admission.check_only
    assert admission.policy_version == -1
    assert world.gate.settlements == [], "a tunnel is no call"


@pytest.mark.parametrize("credential", [None, b"Bearer x", BAD])
async def test_a_connect_without_a_good_credential(world: World, credential: bytes | None) -> None:
    answer = await connect(world, credential)
    assert answer is not None
    assert (answer.status, answer.reason_phrase) == (407, "Agent credential missing or invalid")
    assert header(answer, b"x-amaze-reason") == b"invalid-bearer"
    assert header(answer, b"proxy-authenticate").startswith(b"Basic")
    record = world.record
    assert (record.agent_id, record.method, record.target) == (
        UNKNOWN_AGENT,
        "CONNECT",
        "api.openai.com",
    )
    assert (record.denied, record.denial_reason, record.status) == (True, "invalid-bearer", 407)
    assert header(answer, b"x-amaze-decision-id").decode() == record.decision_id
    assert not world.settlement.charged
    assert json.loads(answer.body)["decision_id"] == record.decision_id


async def test_a_credential_that_was_revoked_opens_no_tunnel_once_the_store_said_so(
    world: World,
) -> None:
    assert await connect(world, GOOD) is None
    world.gate.answers.append(Admitted(Outcome.REFUSED, Reason.INVALID_BEARER))
    await world.call("https://files.example.com/", method="GET")
    world.gate.answers.append(Admitted(Outcome.REFUSED, Reason.INVALID_BEARER))
    refused = await connect(world, GOOD)
    assert refused is not None
    assert refused.status == 407


@pytest.mark.parametrize(
    "said",
    [
        AWAY,
        Admitted(Outcome.REFUSED, Reason.AGENT_QUARANTINED, session_id="s"),
        Admitted(Outcome.REFUSED, Reason.AGENT_NOT_APPROVED),
        Admitted(Outcome.STALE, session_id="s"),
    ],
)
async def test_all_else_is_answered_inside_the_tunnel(
    world: World, said: Admitted | Exception
) -> None:
    world.gate.answers.append(said)
    assert await connect(world, GOOD) is None
    assert world.gate.settlements == []


async def test_a_refused_connect_that_cannot_be_recorded(world: World) -> None:
    world.gate.settle_fault = AWAY
    answer = await connect(world, None)
    assert answer is not None
    assert (answer.status, header(answer, b"x-amaze-reason")) == (503, b"redis-unavailable")


def fault(
    kind: FaultKind = FaultKind.MALFORMED,
    credential: bytes | None = None,
    authority: Authority | None = TARGET,
) -> Fault:
    return Fault(kind, "what is wrong", kind.status, authority, credential, "", b"GET / HTTP/1.1")


@pytest.mark.parametrize(
    ("credential", "owner", "caller"),
    [
        (None, UNKNOWN_AGENT, ""),
        (b"nonsense", UNKNOWN_AGENT, ""),
        (BAD, UNKNOWN_AGENT, AGENT),
        (GOOD, AGENT, AGENT),
    ],
)
async def test_broken_bytes_are_recorded_for_whoever_can_be_proved(
    world: World, credential: bytes | None, owner: str, caller: str
) -> None:
    answer = await Gatekeeper(world.line).fault(fault(credential=credential))
    assert (answer.status, header(answer, b"x-amaze-reason")) == (400, b"malformed-request")
    record = world.record
    assert (record.agent_id, record.caller, record.target) == (owner, caller, "api.openai.com")
    assert (record.input, record.denied) == ("GET / HTTP/1.1", True)
    assert record.error == "malformed: what is wrong"
    assert not world.settlement.charged
    assert {a.decision_id for a in world.gate.admissions} <= {record.decision_id}


@pytest.mark.parametrize(
    ("kind", "status", "reason"),
    [
        (FaultKind.AUTHORITY_MISMATCH, 400, b"authority-mismatch"),
        (FaultKind.TOO_LARGE, 413, b"request-too-large"),
        (FaultKind.HEADERS_TOO_LARGE, 431, b"malformed-request"),
        (FaultKind.URI_TOO_LONG, 414, b"malformed-request"),
        (FaultKind.TIMEOUT, 408, b"malformed-request"),
        (FaultKind.UNSUPPORTED_METHOD, 405, b"malformed-request"),
        (FaultKind.NOT_HTTP, 400, b"malformed-request"),
        (FaultKind.TLS, 400, b"malformed-request"),
    ],
)
async def test_each_fault_has_its_status_and_reason(
    world: World, kind: FaultKind, status: int, reason: bytes
) -> None:
    answer = await Gatekeeper(world.line).fault(fault(kind, authority=None))
    assert (answer.status, header(answer, b"x-amaze-reason")) == (status, reason)
    assert world.record.target == ""


async def test_a_fault_while_the_store_is_away(world: World) -> None:
    world.gate.answers.append(AWAY)
    answer = await Gatekeeper(world.line).fault(fault(credential=GOOD))
    assert answer.status == 400
    assert world.record.agent_id == UNKNOWN_AGENT
    world.gate.settle_fault = AWAY
    answer = await Gatekeeper(world.line).fault(fault())
    assert answer.status == 503
