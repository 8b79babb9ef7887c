from __future__ import annotations

import pytest

from amaze_proxy.policy.turn import Turn, mint, verify
from amaze_proxy.store.peers import Hop

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


INSIDE = Turn("a", "turn_1", "a" * 32, "b" * 16, 5, depth=3)


async def test_a_turn_in_a_turn_keeps_its_depth_and_trace(control, config) -> None:
    held = await control.create("a")
    shown = {"X-Amaze-Turn": mint(config.turn_key, INSIDE)}
    answer = await _turn(control, held, headers=shown, json={"traceparent": TRACE})
    turn = verify(config.turn_key, answer.json()["turn"])
    assert (turn.depth, turn.trace_id, turn.parent_span) == (3, "a" * 32, "b" * 16)
    assert turn.turn_id != "turn_1"
    assert turn.issued_ms == control.clock.now


@pytest.mark.parametrize("case", ["forged", "foreign", "nonsense", "empty"])
async def test_a_turn_that_is_not_its_own_is_refused(control, config, case) -> None:
    held = await control.create("a")
    shown = {
        "forged": mint(b"z" * 32, INSIDE),
        "foreign": mint(config.turn_key, Turn("b", "turn_1", "a" * 32, "", 5)),
        "nonsense": "t1.x.y",
        "empty": "",
    }[case]
    answer = await _turn(control, held, headers={"X-Amaze-Turn": shown})
    assert (answer.status_code, answer.json()["code"]) == (403, "invalid-turn")


async def test_two_turns_are_refused(control, config) -> None:
    held = await control.create("a")
    token = mint(config.turn_key, INSIDE)
    twice = [("X-Amaze-Bearer", held), ("X-Amaze-Turn", token), ("X-Amaze-Turn", token)]
    answer = await control.client.post("/turns", headers=twice)
    assert (answer.status_code, answer.json()["code"]) == (403, "invalid-turn")


async def test_a_new_turn_is_as_deep_as_the_message_that_is_on_its_way_to_the_agent(
    control, config
) -> None:
    held = await control.create("a")
    peers = control.store.peers
    await peers.hop(Hop("d" * 32, "a", 5, "ab" * 16, "cd" * 8))
    turn = verify(config.turn_key, (await _turn(control, held)).json()["turn"])
    assert turn.depth == 5
    await peers.hop_end("a", "d" * 32)
    turn = verify(config.turn_key, (await _turn(control, held)).json()["turn"])
    assert turn.depth == 0
