"""The official MCP SDK 1.x over streamable HTTP, or over HTTP+SSE (`sse`)."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import timedelta

from job import ELICITED, SAMPLED, Answer, Call, Job, Result, main, perform, shown
from mcp import ClientSession, types
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from pydantic import AnyUrl


async def _sample(*_: object) -> types.CreateMessageResult:
    content = types.TextContent(type="text", text=SAMPLED)
    return types.CreateMessageResult(role="assistant", content=content, model="none")


async def _elicit(*_: object) -> types.ElicitResult:
    return types.ElicitResult(action="accept", content=dict(ELICITED))


async def play(job: Job, answer: Answer) -> None:
    """One session."""
    async with AsyncExitStack() as stack:
        transport = sse_client(job.url) if job.variant == "sse" else streamable_http_client(job.url)
        read, write, *_ = await stack.enter_async_context(transport)
        limit = timedelta(seconds=job.timeout)
        session = await stack.enter_async_context(
            ClientSession(
                read, write, limit, sampling_callback=_sample, elicitation_callback=_elicit
            )
        )
        await session.initialize()

        async def tools() -> list[types.Tool]:
            return (await session.list_tools()).tools

        async def make(call: Call) -> Result:
            if call.resource:
                return shown(False, (await session.read_resource(AnyUrl(call.resource))).contents)
            if call.prompt:
                got = await session.get_prompt(call.prompt, call.arguments)
                return shown(False, [message.content for message in got.messages])
            done = await session.call_tool(call.tool, call.arguments)
            return shown(done.isError, done.content)

        await perform(job, answer, tools, make)


main(play)
