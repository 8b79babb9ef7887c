"""google-genai: generate_content, or with the variant `stream` generate_content_stream.

The job's URL is the base URL, empty for the real host; a call is a message, and its argument
`model` the model.
"""

from __future__ import annotations

from google import genai
from google.genai import types
from job import Answer, Call, Job, Result, attempt, main


async def play(job: Job, answer: Answer) -> None:
    """One client."""
    limit = int(job.timeout * 1000)
    options = types.HttpOptions(base_url=job.url or None, timeout=limit)
    client = genai.Client(api_key="test-key", http_options=options).aio

    async def make(call: Call) -> Result:
        model = call.arguments.get("model", "gemini-2.5-flash")
        if job.variant != "stream":
            done = await client.models.generate_content(model=model, contents=call.message)
            return Result(True, done.text or "")
        stream = await client.models.generate_content_stream(model=model, contents=call.message)
        return Result(True, "".join([part.text or "" async for part in stream]))

    for call in job.calls:
        answer.results.append(await attempt(make(call)))


main(play)
