"""A mock of api.openai.com over TLS, which plays the parts of `cast`.

Only for the demo: it knows no key, takes every model's name, and counts tokens by words. Its
certificates come from a CA of its own.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from amaze_proxy.demo import cast
from amaze_proxy.wire.leaves import LeafCache

_THINKS_S = 0.1  # for every answer, so that the terminal shows a conversation and not its end
_CREATED = 1_760_000_000
_REFUSED = "aMaze: "  # how every refusal begins

Json = dict[str, Any]


def next_message(messages: Sequence[Mapping[str, Any]]) -> Json:
    """The assistant's next message: the next tool of the part, or its words.

    A refused tool ends the part: the model says so, as a real one would.
    """
    asked = max((i for i, one in enumerate(messages) if one["role"] == "user"), default=0)
    part = cast.PARTS.get(_text(messages[asked]), cast.ANYTHING_ELSE)
    results = [_text(one) for one in messages[asked:] if one["role"] == "tool"]
    refused = next((text for text in results if _REFUSED in text), "")
    if refused:
        why = refused[refused.index(_REFUSED) :].partition(" [")[0]
        return {"role": "assistant", "content": f"I could not do that. {why}"}
    if len(results) >= len(part.uses):
        return {"role": "assistant", "content": part.words}
    use = part.uses[len(results)]
    function = {"name": use.tool, "arguments": json.dumps(dict(use.arguments))}
    call = {"id": f"call_{len(results)}", "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def _text(message: Mapping[str, Any]) -> str:
    content = message["content"]
    if isinstance(content, str):
        return content
    return " ".join(str(one.get("text", "")) for one in content or ())


def _usage(asked: Mapping[str, Any], said: Json) -> Json:
    """Tokens: one for each word, and a few for the frame around the prompt."""
    prompt, answer = len(json.dumps(asked["messages"]).split()) + 8, len(json.dumps(said).split())
    return {
        "prompt_tokens": prompt,
        "completion_tokens": answer,
        "total_tokens": prompt + answer,
    }


async def chat(request: Request) -> Response:
    """OpenAI's chat completions, whole or streamed."""
    asked = await request.json()
    said = next_message(asked["messages"])
    await asyncio.sleep(_THINKS_S)
    head = {"id": "chatcmpl-demo", "created": _CREATED, "model": asked["model"]}
    usage = _usage(asked, said)
    if asked.get("stream"):
        head["object"] = "chat.completion.chunk"
        counted = usage if (asked.get("stream_options") or {}).get("include_usage") else None
        return StreamingResponse(_events(head, said, counted), media_type="text/event-stream")
    choice = {"index": 0, "message": said, "finish_reason": _finish(said)}
    return JSONResponse({**head, "object": "chat.completion", "choices": [choice], "usage": usage})


def _finish(said: Json) -> str:
    return "tool_calls" if said.get("tool_calls") else "stop"


async def _events(head: Json, said: Json, usage: Json | None) -> AsyncIterator[str]:
    for delta, finish in (*((piece, None) for piece in _pieces(said)), ({}, _finish(said))):
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        yield f"data: {json.dumps({**head, 'choices': [choice]})}\n\n"
    if usage:
        yield f"data: {json.dumps({**head, 'choices': [], 'usage': usage})}\n\n"
    yield "data: [DONE]\n\n"


def _pieces(said: Json) -> Iterator[Json]:
    yield {"role": "assistant", "content": ""}
    for word in (said["content"] or "").split():
        yield {"content": f"{word} "}
    for index, call in enumerate(said.get("tool_calls", ())):
        yield {"tool_calls": [{**call, "index": index}]}


def create_app() -> Starlette:
    """The provider's endpoint."""
    return Starlette(routes=[Route("/v1/chat/completions", chat, methods=["POST"])])


def tls_context(leaves: LeafCache) -> ssl.SSLContext:
    """A server context that shows the certificate of whatever host is asked for."""
    context = leaves.context_for("api.openai.com")

    def pick(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        if name:
            connection.context = leaves.context_for(name)

    context.sni_callback = pick
    return context
