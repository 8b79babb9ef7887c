"""The app: governed calls, the proxy's own endpoints, plug-ins before the line."""

from __future__ import annotations

import json

import httpx
import pytest
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.pipeline.fakes import BEARER, JSON, OPENAI, World, chat, make_scope, whole


class Rewrite:
    """A plug-in that changes the body of every call."""

    def __init__(self, app: ASGIApp, body: bytes) -> None:
        self._app, self._body = app, body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def other() -> dict[str, object]:
            await receive()
            return {"type": "http.request", "body": self._body, "more_body": False}

        await self._app(scope, other, send)


class Broken:
    """A plug-in that fails."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("a plug-in")


async def test_what_a_plug_in_changes_is_what_is_decided_on() -> None:
    body = json.dumps({**chat(), "model": "gpt-4.1-nano"}).encode()
    world = World(
        {
            "name": "p",
            "allowed_llm_providers": ["openai"],
            "allowed_models": ["openai/gpt-4.1-mini"],
        },
        plugins=[Middleware(Rewrite, body=body)],
    )
    answer = await world.call(OPENAI, chat())
    assert answer.verdict == (403, "llm-not-allowed")
    assert world.record.model == "gpt-4.1-nano"


async def test_a_plug_in_that_fails_leaves_the_refusal_to_the_server() -> None:
    world = World(plugins=[Middleware(Broken)])
    answer = await world.call(OPENAI, chat())
    assert isinstance(answer.error, RuntimeError)
    assert answer.status == 0, "nothing of Starlette's own was answered"
    assert world.upstreams.sent == []


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_request_for_the_proxy_itself_is_told_what_this_is(
    world: World, method: str
) -> None:
    answer = await world.call("/v1/chat/completions", method=method)
    assert answer.status == 400
    assert "HTTP_PROXY=" in answer.json["error"]["message"]
    assert world.gate.admissions == world.gate.settlements == []


async def test_health(world: World) -> None:
    answer = await world.call("/health", method="GET", headers=())
    assert (answer.status, answer.json["status"]) == (200, "ok")
    world.healthy = False
    answer = await world.call("/health", method="GET", headers=())
    assert (answer.status, answer.json) == (
        503,
        {"status": "unavailable", "parts": {"redis": False}},
    )


async def test_a_call_to_a_host_named_like_our_endpoint_is_a_call(world: World) -> None:
    answer = await world.call("https://files.example.com/health", method="GET", headers=())
    assert answer.verdict == (403, "invalid-bearer")


async def test_what_is_no_request_is_starlettes(world: World) -> None:
    sent = []
    events = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> dict[str, str]:
        return next(events)

    async def send(message: dict[str, str]) -> None:
        sent.append(message["type"])

    await world.app({"type": "lifespan", "state": {}}, receive, send)  # type: ignore[arg-type]
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_the_app_is_an_ordinary_asgi_app(world: World) -> None:
    """With any client that sets the extension."""
    world.upstreams.reply = whole()
    extensions = make_scope(OPENAI, "POST", ())["extensions"]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await world.app({**scope, "extensions": extensions}, receive, send)

    headers = [BEARER, JSON]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        answer = await client.post(OPENAI, json=chat(), headers=headers)
    assert answer.status_code == 200
    assert answer.json()["choices"][0]["message"]["content"] == "Four."
