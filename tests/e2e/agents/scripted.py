"""An agent of the SDK that does what its messages say, one step after the other.

A message is a JSON list of steps, and the reply a list of what came of them (from another agent:
in an object, with the verified caller):

- `{"llm": text}`: "" or the reason of the refusal;
- `{"tool": name, "at": url, "arguments": {}}`, by the MCP SDK's client: the text of the result;
- `{"post": url, "body": {}, "accept": ""}`: "" or the reason of the refusal;
- `{"send": agent, "message": value, "way": "async" | "sync" | "thread"}`: the reply, or the
  SendError as `{"status", "reason", "text"}`.

`{"around": agent, "back": me}` of a user or an agent is passed on to that agent, and so on: the
reply is `{"hops", "end"}`.
"""

from __future__ import annotations

import asyncio
import functools
import json
from typing import Any

import amaze
import httpx


async def receive_message_from_user(message: str) -> Any:
    content = json.loads(message)
    return await around(content) if isinstance(content, dict) else await perform(content)


async def receive_message_from_agent(caller: str, message: Any) -> Any:
    if isinstance(message, dict) and "around" in message:
        return await around(message)
    if isinstance(message, dict) and "steps" in message:
        return {"caller": caller, "outcomes": await perform(message["steps"])}
    return message


async def perform(steps: list[dict[str, Any]]) -> list[Any]:
    return [await one(step) for step in steps]


async def one(step: dict[str, Any]) -> Any:
    if "llm" in step:
        body = {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": step["llm"]}]}
        return await post("https://api.openai.com/v1/chat/completions", body)
    if "post" in step:
        return await post(step["post"], step["body"], step.get("accept", "*/*"))
    if "tool" in step:
        return await tool(step)
    try:
        return await send(step["send"], step["message"], step.get("way", "async"))
    except amaze.SendError as error:
        return {"status": error.status, "reason": error.reason, "text": str(error)}


async def post(url: str, body: dict[str, Any], accept: str = "*/*") -> str:
    answer = await client().post(url, json=body, headers={"accept": accept})
    reason: str = answer.headers.get("x-amaze-reason", "")
    return reason


@functools.cache
def client() -> httpx.AsyncClient:
    """One for all messages, as an agent would have it; made when governance is in place."""
    return httpx.AsyncClient(timeout=60)


async def tool(step: dict[str, Any]) -> str:
    from mcp import ClientSession  # slow to import, and not in every environment
    from mcp.client.streamable_http import streamable_http_client

    async with (
        streamable_http_client(step["at"]) as (read, write, *_),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        result = await session.call_tool(step["tool"], step["arguments"])
    return "\n".join(part.text for part in result.content)


async def send(target: str, message: Any, way: str) -> Any:
    match way:
        case "async":
            return await amaze.send_message_to_agent_async(target, message)
        case "thread":
            return await asyncio.to_thread(amaze.send_message_to_agent, target, message)
        case _:
            return amaze.send_message_to_agent(target, message)


async def around(content: dict[str, Any]) -> dict[str, Any]:
    onward = {"around": content["back"], "back": content["around"]}
    try:
        reply = await amaze.send_message_to_agent_async(content["around"], onward)
    except amaze.SendError as error:
        return {"hops": 0, "end": error.reason, "text": str(error)}
    if isinstance(reply, str):
        reply = json.loads(reply)
    return {**reply, "hops": reply["hops"] + 1}


if __name__ == "__main__":
    amaze.init()
