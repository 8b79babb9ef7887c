"""a2a-sdk 1.x. The variant: `jsonrpc`, `rest`, and either with `-stream`.

The agent's card is fetched from the job's URL; it says which interface there is, so an agent of
the 0.3 line is spoken to in 0.3.
"""

from __future__ import annotations

import httpx
from a2a.client import ClientConfig, ClientFactory
from a2a.helpers import get_stream_response_text, new_text_message
from a2a.types import Role, SendMessageRequest
from job import Answer, Call, Job, Result, attempt, main


async def play(job: Job, answer: Answer) -> None:
    """One client."""
    binding, _, mode = job.variant.partition("-")
    async with httpx.AsyncClient(timeout=job.timeout) as http:
        config = ClientConfig(
            streaming=mode == "stream",
            httpx_client=http,
            supported_protocol_bindings=["HTTP+JSON" if binding == "rest" else "JSONRPC"],
        )
        client = await ClientFactory(config).create_from_url(job.url)

        async def make(call: Call) -> Result:
            message = new_text_message(call.message, role=Role.ROLE_USER)
            events = client.send_message(SendMessageRequest(message=message))
            texts = [get_stream_response_text(event) async for event in events]
            return Result(True, "\n".join(filter(None, texts)))

        for call in job.calls:
            answer.results.append(await attempt(make(call)))


main(play)
