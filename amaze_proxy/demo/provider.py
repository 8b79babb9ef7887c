"""A mock LLM provider over TLS that answers as api.openai.com and api.anthropic.com do.

Only for the demo: it knows no key and no model, answers every prompt with a canned text, and counts
tokens by words. Its certificates come from a CA of its own.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from amaze_proxy.wire.leaves import LeafCache

_TEXT = (
    "Agents do useful work when each of them may do exactly what its task needs. A policy says "
    "what that is, a budget says how much of it, and a record says what really happened."
)
_PAUSE_S = 0.02  # between two words of a stream
_CREATED = 1_760_000_000


def _words(document: Mapping[str, Any]) -> int:
    """The prompt's tokens: one for each word, and a few for the frame around it."""
    return len(json.dumps(document.get("messages") or document.get("input") or "").split()) + 8


def _limit(document: Mapping[str, Any]) -> int:
    given = (
        document.get("max_completion_tokens")
        or document.get("max_tokens")
        or document.get("max_output_tokens")
    )
    return int(given or 1_000)


def _answer(document: Mapping[str, Any]) -> list[str]:
    return _TEXT.split()[: _limit(document)]


def _sse(events: Iterable[tuple[str, Any]]) -> Callable[[], AsyncIterator[bytes]]:
    async def stream() -> AsyncIterator[bytes]:
        for name, data in events:
            text = data if isinstance(data, str) else json.dumps(data)
            yield f"{f'event: {name}' + chr(10) if name else ''}data: {text}\n\n".encode()
            await asyncio.sleep(_PAUSE_S)

    return stream


def _streamed(events: Iterable[tuple[str, Any]]) -> Response:
    return StreamingResponse(_sse(events)(), media_type="text/event-stream")


async def chat(request: Request) -> Response:
    """OpenAI chat completions."""
    document = await request.json()
    words, asked = _answer(document), _words(document)
    usage = {
        "prompt_tokens": asked,
        "completion_tokens": len(words),
        "total_tokens": asked + len(words),
    }
    base = {"id": "chatcmpl-demo", "created": _CREATED, "model": document["model"]}
    if not document.get("stream"):
        message = {"role": "assistant", "content": " ".join(words)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return JSONResponse(
            {**base, "object": "chat.completion", "choices": [choice], "usage": usage}
        )
    chunk = {**base, "object": "chat.completion.chunk"}

    def piece(delta: Mapping[str, str], finish: str | None = None) -> tuple[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return ("", {**chunk, "choices": [choice]})

    events = [piece({"role": "assistant", "content": ""})]
    events += [piece({"content": f"{word} "}) for word in words]
    events.append(piece({}, "stop"))
    if (document.get("stream_options") or {}).get("include_usage"):
        events.append(("", {**chunk, "choices": [], "usage": usage}))
    return _streamed([*events, ("", "[DONE]")])


async def embeddings(request: Request) -> Response:
    """OpenAI embeddings."""
    document = await request.json()
    asked = _words(document)
    data = [{"object": "embedding", "index": 0, "embedding": [0.0, 0.6, 0.8]}]
    usage = {"prompt_tokens": asked, "total_tokens": asked}
    return JSONResponse(
        {"object": "list", "data": data, "model": document["model"], "usage": usage}
    )


async def messages(request: Request) -> Response:
    """Anthropic messages."""
    document = await request.json()
    words, asked = _answer(document), _words(document)
    message: dict[str, Any] = {
        "id": "msg_demo",
        "type": "message",
        "role": "assistant",
        "model": document["model"],
        "stop_sequence": None,
    }
    if not document.get("stream"):
        content = [{"type": "text", "text": " ".join(words)}]
        usage = {"input_tokens": asked, "output_tokens": len(words)}
        return JSONResponse(
            {**message, "content": content, "stop_reason": "end_turn", "usage": usage}
        )
    start = {
        **message,
        "content": [],
        "stop_reason": None,
        "usage": {"input_tokens": asked, "output_tokens": 1},
    }
    block = {"type": "text", "text": ""}
    events: list[tuple[str, dict[str, Any]]] = [
        ("message_start", {"message": start}),
        ("content_block_start", {"index": 0, "content_block": block}),
    ]
    for word in words:
        delta = {"type": "text_delta", "text": f"{word} "}
        events.append(("content_block_delta", {"index": 0, "delta": delta}))
    stop = {"stop_reason": "end_turn", "stop_sequence": None}
    events += [
        ("content_block_stop", {"index": 0}),
        ("message_delta", {"delta": stop, "usage": {"output_tokens": len(words)}}),
        ("message_stop", {}),
    ]
    return _streamed([(name, {"type": name, **data}) for name, data in events])


def create_app() -> Starlette:
    """The provider's endpoints."""
    return Starlette(
        routes=[
            Route("/v1/chat/completions", chat, methods=["POST"]),
            Route("/v1/embeddings", embeddings, methods=["POST"]),
            Route("/v1/messages", messages, methods=["POST"]),
        ]
    )


def tls_context(leaves: LeafCache) -> ssl.SSLContext:
    """A server context that shows the certificate of whatever host is asked for."""
    context = leaves.context_for("api.openai.com")

    def pick(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        if name:
            connection.context = leaves.context_for(name)

    context.sni_callback = pick
    return context
