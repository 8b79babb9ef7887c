"""What the server asks of a client inside its results (MCP 2026-07-28)."""

from __future__ import annotations

from dataclasses import dataclass

import mcp_types as types


def _elicit(message: str, name: str) -> types.ElicitRequest:
    schema = {"type": "object", "properties": {name: {"type": "string"}}, "required": [name]}
    return types.ElicitRequest(
        params=types.ElicitRequestFormParams(message=message, requested_schema=schema)
    )


def _sample(prompt: str) -> types.CreateMessageRequest:
    content = types.TextContent(type="text", text=prompt)
    return types.CreateMessageRequest(
        params=types.CreateMessageRequestParams(
            messages=[types.SamplingMessage(role="user", content=content)], max_tokens=50
        )
    )


@dataclass(frozen=True, slots=True)
class Inputs:
    """One request of each kind."""

    elicit: types.ElicitRequest
    sample: types.CreateMessageRequest
    roots: types.ListRootsRequest


NAME = Inputs(
    _elicit("What is your name?", "name"),
    _sample("What is the capital of France?"),
    types.ListRootsRequest(params=types.RequestParams()),
)
CONTEXT = _elicit("What context should the prompt use?", "context")
MULTI_ROUND: tuple[types.InputRequests, ...] = (
    {"step1": _elicit("Your name?", "name")},
    {"step2": _elicit("Your favourite colour?", "color")},
)


def asked(requests: types.InputRequests, state: str | None = None) -> types.InputRequiredResult:
    """The result that asks for input."""
    return types.InputRequiredResult(input_requests=requests, request_state=state)
