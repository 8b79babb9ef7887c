"""The server under test: what the MCP conformance suite asks of a server, on mcp 2.x.

Runs in an environment that has mcp 2.x, not in ours: `python tests/conformance/server`. It binds a
free port of 127.0.0.1 and prints one line of JSON, {"port": N}. The suite prescribes the names.
"""

from __future__ import annotations

import base64
import json
import re
import socket
import warnings
from typing import Any

import mcp_types as types
import uvicorn
from inputs import CONTEXT, asked
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp.server.subscriptions import ListenHandler
from mcp.shared.exceptions import MCPError
from tools import BUS, PNG, TOOLS, document, image, text

Context = ServerRequestContext[Any, Any]

_NAME = "amaze-conformance"
_TEMPLATE = re.compile(r"test://template/([^/]+)/data")
_TEXTS = {"test://static-text": "Words.", "test://watched-resource": "Words that may change."}
_BINARY = "test://static-binary"


async def list_tools(context: Context, params: Any) -> types.ListToolsResult:
    listed = [
        types.Tool(name=name, description=f"{name}.", input_schema=tool.schema)
        for name, tool in TOOLS.items()
    ]
    return types.ListToolsResult(tools=listed)


async def call_tool(context: Context, params: types.CallToolRequestParams) -> Any:
    found = TOOLS.get(params.name)
    if found is None:
        raise MCPError(types.INVALID_PARAMS, f"Unknown tool: {params.name}")
    return await found.handler(context, params)


async def list_resources(context: Context, params: Any) -> types.ListResourcesResult:
    named = [types.Resource(uri=uri, name=uri, mime_type="text/plain") for uri in _TEXTS]
    binary = types.Resource(uri=_BINARY, name=_BINARY, mime_type="image/png")
    return types.ListResourcesResult(resources=[*named, binary])


async def list_templates(context: Context, params: Any) -> types.ListResourceTemplatesResult:
    template = types.ResourceTemplate(
        uri_template="test://template/{id}/data", name="template", mime_type="application/json"
    )
    return types.ListResourceTemplatesResult(resource_templates=[template])


async def read_resource(
    context: Context, params: types.ReadResourceRequestParams
) -> types.ReadResourceResult:
    uri = str(params.uri)
    contents: types.TextResourceContents | types.BlobResourceContents
    if uri in _TEXTS:
        contents = types.TextResourceContents(uri=uri, mime_type="text/plain", text=_TEXTS[uri])
    elif uri == _BINARY:
        blob = base64.b64encode(base64.b64decode(PNG)).decode()
        contents = types.BlobResourceContents(uri=uri, mime_type="image/png", blob=blob)
    elif found := _TEMPLATE.fullmatch(uri):
        told = {"id": found[1], "templateTest": True, "data": f"Data for ID: {found[1]}"}
        contents = types.TextResourceContents(
            uri=uri, mime_type="application/json", text=json.dumps(told)
        )
    else:
        raise MCPError(types.INVALID_PARAMS, f"Unknown resource: {uri}", {"uri": uri})
    return types.ReadResourceResult(contents=[contents])


_PROMPTS: dict[str, tuple[str, ...]] = {
    "test_simple_prompt": (),
    "test_prompt_with_arguments": ("arg1", "arg2"),
    "test_prompt_with_embedded_resource": ("resourceUri",),
    "test_prompt_with_image": (),
    "test_input_required_result_prompt": (),
}


async def list_prompts(context: Context, params: Any) -> types.ListPromptsResult:
    prompts = [
        types.Prompt(
            name=name,
            description=f"{name}.",
            arguments=[types.PromptArgument(name=one, required=True) for one in arguments],
        )
        for name, arguments in _PROMPTS.items()
    ]
    return types.ListPromptsResult(prompts=prompts)


async def get_prompt(context: Context, params: types.GetPromptRequestParams) -> Any:
    given = params.arguments or {}
    content: list[Any]
    match params.name:
        case "test_simple_prompt":
            content = [text("A simple prompt.")]
        case "test_prompt_with_arguments":
            content = [text(f"arg1='{given['arg1']}', arg2='{given['arg2']}'")]
        case "test_prompt_with_embedded_resource":
            content = [document(given["resourceUri"], "text/plain", "Words."), text("Read it.")]
        case "test_prompt_with_image":
            content = [image(), text("Look at it.")]
        case "test_input_required_result_prompt":
            if "user_context" not in (params.input_responses or {}):
                return asked({"user_context": CONTEXT})
            content = [text("A prompt in that context.")]
        case _:
            raise MCPError(types.INVALID_PARAMS, f"Unknown prompt: {params.name}")
    messages = [types.PromptMessage(role="user", content=part) for part in content]
    return types.GetPromptResult(messages=messages)


async def complete(context: Context, params: Any) -> types.CompleteResult:
    return types.CompleteResult(completion=types.Completion(values=["paris", "park"], total=2))


async def acknowledge(context: Context, params: Any) -> types.EmptyResult:
    return types.EmptyResult()


class Events(EventStore):
    """Events in memory, so that a broken stream can be resumed."""

    def __init__(self) -> None:
        self._events: list[tuple[str, types.JSONRPCMessage | None]] = []

    async def store_event(self, stream_id: str, message: types.JSONRPCMessage | None) -> str:
        self._events.append((stream_id, message))
        return str(len(self._events))

    async def replay_events_after(
        self, last_event_id: str, send_callback: EventCallback
    ) -> str | None:
        last = int(last_event_id)
        stream = self._events[last - 1][0]
        for number, (of, message) in enumerate(self._events[last:], last + 1):
            if of == stream and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return stream


def build() -> Server[Any]:
    """The server with all that the suite calls."""
    server: Server[Any] = Server(
        _NAME,
        version="1",
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        get_tool_input_schema=lambda name: TOOLS[name].schema if name in TOOLS else None,
        on_list_resources=list_resources,
        on_list_resource_templates=list_templates,
        on_read_resource=read_resource,
        on_subscribe_resource=acknowledge,
        on_unsubscribe_resource=acknowledge,
        on_list_prompts=list_prompts,
        on_get_prompt=get_prompt,
        on_completion=complete,
        on_set_logging_level=acknowledge,
        on_subscriptions_listen=ListenHandler(BUS),
    )
    security = RequestStateSecurity.ephemeral()
    server.middleware.append(RequestStateBoundary(security, default_audience=_NAME))
    return server


def main() -> None:
    warnings.simplefilter("ignore")  # what the suite asks for is partly deprecated
    app = build().streamable_http_app(event_store=Events(), retry_interval=100)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
        config = uvicorn.Config(app, log_level="warning")
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
