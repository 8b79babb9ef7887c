"""a2a-sdk of the 0.3 line: JSON-RPC, with the variant `stream` streamed."""

from __future__ import annotations

import httpx
from a2a.client import ClientConfig, ClientFactory
from a2a.client.helpers import create_text_message_object
from a2a.types import Message, Part, Task
from job import Answer, Call, Job, Result, attempt, main


def _text(parts: list[Part]) -> str:
    return "\n".join(getattr(part.root, "text", "") for part in parts)


def _said(event: Message | tuple[Task, object]) -> str:
    """The text of a message, or of a task as it stands (the client adds its updates up)."""
    if isinstance(event, Message):
        return _text(event.parts)
    task, _ = event
    return "\n".join(_text(artifact.parts) for artifact in task.artifacts or [])


async def play(job: Job, answer: Answer) -> None:
    """One client."""
    async with httpx.AsyncClient(timeout=job.timeout) as http:
        config = ClientConfig(streaming=job.variant == "stream", httpx_client=http)
        client = await ClientFactory.connect(job.url, config)

        async def make(call: Call) -> Result:
            text = ""
            async for event in client.send_message(
                create_text_message_object(content=call.message)
            ):
                text = _said(event)
            return Result(True, text)

        for call in job.calls:
            answer.results.append(await attempt(make(call)))


main(play)
