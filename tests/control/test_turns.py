from __future__ import annotations

import pytest

from amaze_proxy.policy.turn import Turn, verify

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def _turn(control, credential, **more):
    headers = {"X-Amaze-Bearer": credential, **more.pop("headers", {})}
    return await control.client.post("/turns", headers=headers, **more)


async def test_an_agent_gets_a_turn_that_the_proxy_can_verify(control, config) -> None:
    held = await control.create("a")
    body = (await _turn(control, held, json={})).json()
    turn = verify(config.turn_key, body["turn"])
    assert turn == Turn("a", body["turn_id"], body["trace_id"], "", control.clock.now)
    assert body["issued_ms"] == control.clock.now
    assert verify(b"z" * 32, body["turn"]) is None
    again = (await _turn(control, held)).json()
    assert again["turn_id"] != body["turn_id"]
    assert again["trace_id"] != body["trace_id"]


async def test_a_turn_joins_the_trace_of_its_message(control, config) -> None:
    held = await control.create("a")
    for more in ({"json": {"traceparent": TRACE}}, {"headers": {"traceparent": TRACE}}):
        turn = verify(config.turn_key, (await _turn(control, held, **more)).json()["turn"])
        assert (turn.trace_id, turn.parent_span) == (TRACE[3:35], TRACE[36:52])


@pytest.mark.parametrize(
    "traceparent",
    [
        "nonsense",
        "00-" + "0" * 32 + "-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        TRACE.upper(),
    ],
)
async def test_a_trace_that_is_none_begins_a_new_one(control, config, traceparent) -> None:
    held = await control.create("a")
    answer = await _turn(control, held, json={"traceparent": traceparent})
    turn = verify(config.turn_key, answer.json()["turn"])
    assert turn.parent_span == ""
    assert turn.trace_id not in traceparent.lower()


async def test_a_policy_may_leave_turns_to_the_gateway(control) -> None:
    held = await control.create("a", policy={"turns": "gateway"})
    answer = await _turn(control, held)
    assert (answer.status_code, answer.json()["code"]) == (403, "turns-refused")
    assert "/agents/a/messages" in answer.json()["detail"]
