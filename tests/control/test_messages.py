from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from amaze_proxy.control.messages import REPLY_MAX
from amaze_proxy.policy.record import AuditRecord
from amaze_proxy.policy.turn import verify
from amaze_proxy.store.admission import Settlement


@asynccontextmanager
async def agent(chat) -> AsyncIterator[int]:
    """An agent's chat server; its port."""
    app = Starlette(routes=[Route("/chat", chat, methods=["POST"])])
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, log_level="error", timeout_graceful_shutdown=1)
    )
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(60):
        while not server.started:
            await asyncio.sleep(0.005)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await serving


async def _send(control, chat, message="hello"):
    held = await control.create("a")
    async with agent(chat) as port:
        await control.register("a", bearer=held, chat_host="127.0.0.1", chat_port=port)
        return await control.ask("POST", "/agents/a/messages", json={"message": message})


async def test_a_message_is_one_turn_and_its_denials_are_told(control, config) -> None:
    seen = []

    async def record(name, turn_id, denied):
        made = AuditRecord(name, 1, "a", "llm", turn_id=turn_id, denied=denied)
        await control.store.gate.settle(Settlement(name, "a", made))

    async def chat(request: Request) -> Response:
        turn = verify(config.turn_key, request.headers["x-amaze-turn"])
        seen.append((turn, await request.json()))
        await record("d1", turn.turn_id, True)
        await record("d2", turn.turn_id, False)
        await record("d3", "another", True)
        await record("d4", turn.turn_id, True)
        return JSONResponse({"reply": {"any": "json"}})

    answer = await _send(control, chat)
    body = answer.json()
    assert answer.status_code == 200
    assert set(body) == {"reply", "trace_id", "turn_id", "denials"}
    assert body["reply"] == {"any": "json"}
    (turn, message), *none = seen
    assert none == []
    assert message == {"message": "hello"}
    assert (turn.agent_id, turn.turn_id, turn.trace_id, turn.depth) == (
        "a",
        body["turn_id"],
        body["trace_id"],
        0,
    )
    assert [record["decision_id"] for record in body["denials"]] == ["d1", "d4"]
    assert all(one["sentence"].startswith("a was refused the model") for one in body["denials"])


async def test_two_messages_at_once_are_told_of_their_own_denials(control, config) -> None:
    both = asyncio.Barrier(2)

    async def chat(request: Request) -> Response:
        turn = verify(config.turn_key, request.headers["x-amaze-turn"])
        text = (await request.json())["message"]
        await both.wait()
        made = AuditRecord(text, 1, "a", "llm", turn_id=turn.turn_id, denied=True)
        await control.store.gate.settle(Settlement(text, "a", made))
        await both.wait()
        return JSONResponse({"reply": text})

    held = await control.create("a")
    async with agent(chat) as port:
        await control.register("a", bearer=held, chat_host="127.0.0.1", chat_port=port)
        answers = await asyncio.gather(
            *(
                control.ask("POST", "/agents/a/messages", json={"message": text})
                for text in ("m1", "m2")
            )
        )
    for answer, text in zip(answers, ("m1", "m2"), strict=True):
        body = answer.json()
        assert body["reply"] == text
        assert [one["decision_id"] for one in body["denials"]] == [text]
        assert {one["turn_id"] for one in body["denials"]} == {body["turn_id"]}
    assert answers[0].json()["trace_id"] != answers[1].json()["trace_id"]


@pytest.mark.parametrize(
    ("response", "said"),
    [
        (Response("oops", 500), "status 500"),
        (Response("no json"), "reply"),
        (JSONResponse({"answer": 1}), "reply"),
        (JSONResponse(["reply"]), "reply"),
        (Response("[" * 100_000), "reply"),
        (RedirectResponse("http://127.0.0.1:1/"), "status 307"),
        (Response(b" " * (REPLY_MAX + 1)), "larger"),
    ],
)
async def test_an_agent_that_answers_nonsense_is_told_as_such(control, response, said) -> None:
    async def chat(_request: Request) -> Response:
        return response

    answer = await _send(control, chat)
    assert (answer.status_code, answer.json()["code"]) == (502, "agent-failed")
    assert said in answer.json()["detail"]
    assert "turn_" in answer.json()["detail"]


async def test_an_agent_that_takes_too_long_is_a_timeout(
    serve, config, store, history, clock
) -> None:
    asked, done = asyncio.Event(), asyncio.Event()

    async def chat(_request: Request) -> Response:
        asked.set()
        await done.wait()
        return JSONResponse({"reply": ""})

    impatient = replace(config, chat_timeout=0.2)
    async with serve(impatient, store, history, clock) as control, agent(chat) as port:
        held = await control.create("a")
        await control.register("a", bearer=held, chat_host="127.0.0.1", chat_port=port)
        answer = await control.ask("POST", "/agents/a/messages", json={"message": "m"})
        await asked.wait()
        done.set()
    assert (answer.status_code, answer.json()["code"]) == (504, "agent-timeout")


async def test_an_agent_that_is_not_there_is_unreachable(control) -> None:
    held = await control.create("a")
    await control.register("a", bearer=held, chat_host="127.0.0.1", chat_port=1)
    answer = await control.ask("POST", "/agents/a/messages", json={"message": "m"})
    assert (answer.status_code, answer.json()["code"]) == (502, "agent-unreachable")
    assert "AMAZE_CHAT_HOST" in answer.json()["detail"]


async def test_without_a_chat_endpoint_one_is_told_so(control) -> None:
    await control.create("a")
    answer = await control.ask("POST", "/agents/a/messages", json={"message": "m"})
    assert (answer.status_code, answer.json()["code"]) == (409, "no-chat-endpoint")


@pytest.mark.parametrize(
    ("move", "code"), [(None, "agent-not-approved"), ("quarantine", "agent-barred")]
)
async def test_an_agent_that_may_not_work_gets_no_message(control, move, code) -> None:
    await control.register("a", chat_port=1)
    if move:
        await control.ask("POST", f"/agents/a/{move}")
    answer = await control.ask("POST", "/agents/a/messages", json={"message": "m"})
    assert (answer.status_code, answer.json()["code"]) == (403, code)


async def test_the_proxy_of_the_environment_is_not_used(control, monkeypatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")

    async def chat(_request: Request) -> Response:
        return JSONResponse({"reply": "direct"})

    assert (await _send(control, chat)).json()["reply"] == "direct"
