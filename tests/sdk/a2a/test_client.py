"""Messages sent through a proxy that records them."""

from __future__ import annotations

import asyncio
import contextvars
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import amaze
import pytest
from amaze import EnforcementError, SendError, context
from amaze.testing import FakePlatform


@pytest.fixture
def agent(platform: FakePlatform, agent_environment: dict[str, str]) -> Any:
    with amaze.init(block=False) as agent:
        yield agent


@pytest.mark.parametrize("reply", ["hello", "", {"price": [1, 2.5, None]}, [1], 7, True])
def test_a_message_and_its_reply(agent: amaze.Agent, platform: FakePlatform, reply: Any) -> None:
    platform.answer_message("two", reply)
    with context.turn("t1"):
        assert amaze.send_message_to_agent("two", {"q": reply}) == reply
    call = platform.calls[-1]
    assert (call.agent_id, call.method, call.url) == ("one", "POST", "http://two/")
    assert call.turn == "t1"
    assert call.headers["host"] == "two"
    assert call.headers["a2a-version"] == "1.0"
    assert call.headers["x-amaze-bearer"].startswith("amz_one.")
    assert call.json()["method"] == "SendMessage"
    assert call.json()["params"]["message"]["parts"] == [{"data": {"q": reply}}]


@pytest.mark.parametrize(
    ("message", "part"),
    [("hi", {"text": "hi"}), (None, {"data": None}), (0, {"data": 0}), ([], {"data": []})],
)
def test_any_json_value_is_a_message(
    agent: amaze.Agent, platform: FakePlatform, message: Any, part: Any
) -> None:
    platform.answer_message("two", None)
    assert amaze.send_message_to_agent("two", message) == ""
    assert platform.calls[-1].json()["params"]["message"]["parts"] == [part]


def test_what_json_cannot_say_is_not_sent(agent: amaze.Agent, platform: FakePlatform) -> None:
    for message in (object(), float("nan"), {1j: 1}):
        with pytest.raises((TypeError, ValueError)):
            amaze.send_message_to_agent("two", message)
    assert not platform.calls


@pytest.mark.parametrize("target", ["", "Two", "two/../three", "two:80", "a\r\nb", "two?x"])
def test_a_name_that_is_none_is_not_called(
    agent: amaze.Agent, platform: FakePlatform, target: str
) -> None:
    with pytest.raises(SendError, match="no agent id") as caught:
        amaze.send_message_to_agent(target, "hi")
    assert caught.value.reason == "malformed-request"
    assert not platform.calls


def test_a_refusal_says_why(agent: amaze.Agent, platform: FakePlatform) -> None:
    platform.refuse_message("two", "not-allowed", "allowed_agents of one has no two")
    with pytest.raises(SendError, match="403 not-allowed: allowed_agents") as caught:
        amaze.send_message_to_agent("two", "hi")
    assert (caught.value.status, caught.value.reason) == (403, "not-allowed")
    assert len(platform.calls) == 1  # a message is never sent twice


def test_a_failure_is_not_tried_again(agent: amaze.Agent, platform: FakePlatform) -> None:
    platform.answer("http://two/", {"reason": "redis-unavailable"}, status=503)
    with pytest.raises(SendError, match="503 redis-unavailable"):
        amaze.send_message_to_agent("two", "hi")
    assert len(platform.calls) == 1


def test_an_ungoverned_process_sends_nothing() -> None:
    with pytest.raises(EnforcementError, match=r"amaze\.init"):
        amaze.send_message_to_agent("two", "hi")


def test_a_proxy_that_is_gone(agent: amaze.Agent, platform: FakePlatform) -> None:
    platform.stop_proxy()
    with pytest.raises(SendError, match="platform running") as caught:
        amaze.send_message_to_agent("two", "hi")
    assert (caught.value.status, caught.value.reason) == (503, "proxy-unreachable")


def test_an_agent_that_does_not_answer(
    agent: amaze.Agent, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        way = amaze.egress.current()
        origin = amaze.settings.Origin("http", "127.0.0.1", silent.getsockname()[1])
        monkeypatch.setattr(
            amaze.egress, "_current", amaze.egress.Egress(origin, "one", way.ca, way.credential)
        )
        with pytest.raises(SendError, match="may have handled") as caught:
            amaze.send_message_to_agent("two", "hi", timeout=0.05)
    assert (caught.value.status, caught.value.reason) == (504, "no-answer")


async def test_the_loop_goes_on_while_a_reply_is_awaited(
    agent: amaze.Agent, platform: FakePlatform
) -> None:
    """More at once than any shared pool has threads, each in its own turn."""
    meeting = threading.Barrier(40)

    def reply(call: Any) -> Any:
        meeting.wait(timeout=20)
        said = call.json()["params"]["message"]["parts"][0]["data"]
        message = {"parts": [{"data": [said, call.turn]}]}
        return {"jsonrpc": "2.0", "id": call.json()["id"], "result": {"message": message}}

    platform.answer("http://two/", reply)

    async def send(number: int) -> Any:
        with context.turn(f"t{number}"):
            return await amaze.send_message_to_agent_async("two", number)

    replies = await asyncio.gather(*(send(number) for number in range(40)))
    assert replies == [[number, f"t{number}"] for number in range(40)]


async def test_the_async_twin_raises_alike(agent: amaze.Agent, platform: FakePlatform) -> None:
    platform.refuse_message("two", "not-allowed")
    with pytest.raises(SendError, match="not-allowed"):
        await amaze.send_message_to_agent_async("two", "hi")
    with pytest.raises(TypeError):
        await amaze.send_message_to_agent_async("two", object())


async def test_a_cancelled_send_leaves_the_loop_alone(
    agent: amaze.Agent, platform: FakePlatform
) -> None:
    arrived, leave = threading.Event(), threading.Event()

    def reply(call: Any) -> Any:
        arrived.set()
        leave.wait(timeout=20)
        return {}

    platform.answer("http://two/", reply)
    task = asyncio.create_task(amaze.send_message_to_agent_async("two", "hi"))
    await asyncio.to_thread(arrived.wait, 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    leave.set()
    platform.answer_message("two", "later")
    assert await amaze.send_message_to_agent_async("two", "hi") == "later"


def test_turns_of_messages_that_share_a_pool(agent: amaze.Agent, platform: FakePlatform) -> None:
    platform.answer_message("two", "ok")
    with ThreadPoolExecutor(3) as pool:

        def handle(number: int) -> None:
            with context.turn(f"t{number}"):
                sent = [pool.submit(amaze.send_message_to_agent, "two", number) for _ in range(3)]
                assert [one.result() for one in sent] == ["ok"] * 3

        threads = [
            threading.Thread(target=contextvars.Context().run, args=(handle, number))
            for number in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    seen = sorted(
        (call.json()["params"]["message"]["parts"][0]["data"], call.turn) for call in platform.calls
    )
    assert seen == [(number, f"t{number}") for number in range(6) for _ in range(3)]
