"""A scripted model: OpenAI's chat completions and Gemini's generateContent, whole and streamed.

OpenAI: where the last user message is a JSON list of `{"name", "arguments"}`, the model calls
these tools one by one, whatever comes back, and then says `done`. Anything else it echoes, as it
does in Gemini.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from serving import executed, options, serve
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

USAGE = {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25}
GEMINI_USAGE = {"promptTokenCount": 20, "candidatesTokenCount": 5, "totalTokenCount": 25}


def _turn(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """The next message of the assistant."""
    start = max(i for i, message in enumerate(messages) if message["role"] == "user")
    made = sum(message["role"] == "tool" for message in messages[start:])
    asked = messages[start]["content"]
    try:
        script = json.loads(asked)
    except ValueError:
        return {"role": "assistant", "content": f"echo: {asked}"}
    if made >= len(script):
        return {"role": "assistant", "content": "done"}
    call = script[made]
    function = {"name": call["name"], "arguments": json.dumps(call.get("arguments", {}))}
    tool_call = {"id": f"call_{made}", "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [tool_call]}


async def chat(request: Request) -> Response:
    """POST /v1/chat/completions."""
    asked = await request.json()
    said = _turn(asked["messages"])
    executed("llm")
    finish = "tool_calls" if said.get("tool_calls") else "stop"
    head = {"id": "chatcmpl-1", "created": 0, "model": asked["model"]}
    if not asked.get("stream"):
        choice = {"index": 0, "message": said, "finish_reason": finish}
        whole = {**head, "object": "chat.completion", "choices": [choice], "usage": USAGE}
        return JSONResponse(whole)
    for index, call in enumerate(said.get("tool_calls", [])):
        call["index"] = index

    async def events() -> AsyncIterator[str]:
        for delta, end in ((said, None), ({}, finish)):
            choice = {"index": 0, "delta": delta, "finish_reason": end}
            chunk = {**head, "object": "chat.completion.chunk", "choices": [choice]}
            yield f"data: {json.dumps(chunk)}\n\n"
        last = {**head, "object": "chat.completion.chunk", "choices": [], "usage": USAGE}
        yield f"data: {json.dumps(last)}\n\ndata: [DONE]\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")


def _gemini(text: str, finish: str | None) -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return {
        "candidates": [candidate],
        "usageMetadata": GEMINI_USAGE,
        "modelVersion": "gemini-2.5-flash",
    }


async def gemini(request: Request) -> Response:
    """POST /v1/models/{model}:generateContent or :streamGenerateContent."""
    asked = (await request.json())["contents"][-1]["parts"][0]["text"]
    executed("llm")
    if request.path_params["call"].endswith(":generateContent"):
        return JSONResponse(_gemini(f"echo: {asked}", "STOP"))

    async def events() -> AsyncIterator[str]:
        for text, finish in (("echo: ", None), (asked, "STOP")):
            yield f"data: {json.dumps(_gemini(text, finish))}\r\n\r\n"

    return StreamingResponse(events(), media_type="text/event-stream")


app = Starlette(
    routes=[
        Route("/v1/chat/completions", chat, methods=["POST"]),
        Route("/{version}/models/{call}", gemini, methods=["POST"]),  # v1beta or v1
    ]
)
serve(options().parse_args(), lambda _: app)
