"""fastmcp's client, 2.x and 4.x alike. It raises ToolError where a tool's result is an error."""

from __future__ import annotations

from typing import Any

from fastmcp import Client
from job import ELICITED, SAMPLED, Answer, Call, Job, Result, main, perform, shown


async def _sample(*_: object) -> str:
    return SAMPLED


async def _elicit(*_: object) -> dict[str, str]:
    return dict(ELICITED)


async def play(job: Job, answer: Answer) -> None:
    """One session."""
    client: Client[Any] = Client(
        job.url, timeout=job.timeout, sampling_handler=_sample, elicitation_handler=_elicit
    )
    async with client:

        async def make(call: Call) -> Result:
            if call.resource:
                return shown(False, await client.read_resource(call.resource))
            if call.prompt:
                got = await client.get_prompt(call.prompt, call.arguments)
                return shown(False, [message.content for message in got.messages])
            return shown(False, (await client.call_tool(call.tool, call.arguments)).content)

        await perform(job, answer, client.list_tools, make)


main(play)
