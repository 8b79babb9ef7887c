"""The official MCP SDK 2.x; the variant is how it negotiates: `auto`, `legacy` or a revision."""

from __future__ import annotations

import mcp_types as types
from job import ELICITED, SAMPLED, Answer, Call, Job, Result, main, perform, shown
from mcp import Client


async def _sample(*_: object, **__: object) -> types.CreateMessageResult:
    content = types.TextContent(type="text", text=SAMPLED)
    return types.CreateMessageResult(role="assistant", content=content, model="none")


async def _elicit(*_: object, **__: object) -> types.ElicitResult:
    return types.ElicitResult(action="accept", content=dict(ELICITED))


async def play(job: Job, answer: Answer) -> None:
    """One session."""
    async with Client(
        job.url,
        mode=job.variant or "auto",
        read_timeout_seconds=job.timeout,
        sampling_callback=_sample,
        elicitation_callback=_elicit,
    ) as client:

        async def tools() -> list[types.Tool]:
            return (await client.list_tools()).tools

        async def make(call: Call) -> Result:
            if call.resource:
                return shown(False, (await client.read_resource(call.resource)).contents)
            if call.prompt:
                got = await client.get_prompt(call.prompt, call.arguments)
                return shown(False, [message.content for message in got.messages])
            done = await client.call_tool(call.tool, call.arguments)
            return shown(bool(done.is_error), done.content)

        await perform(job, answer, tools, make)


main(play)
