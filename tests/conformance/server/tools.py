"""The tools that the conformance suite calls by name, of the server beside them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import mcp_types as types
from inputs import MULTI_ROUND, NAME, asked
from mcp.server.context import ServerRequestContext
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    PromptsListChanged,
    ToolsListChanged,
)
from mcp.shared.exceptions import MCPError

PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJg"
    "gg=="
)
WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA="

Context = ServerRequestContext[Any, Any]
Params = types.CallToolRequestParams
Result = types.CallToolResult | types.InputRequiredResult
Handler = Callable[[Context, Params], Awaitable[Result]]


@dataclass(frozen=True, slots=True)
class ConformanceTool:
    """A tool as it is listed, and what it does."""

    handler: Handler
    schema: dict[str, Any] = field(default_factory=lambda: {"type": "object"})


TOOLS: dict[str, ConformanceTool] = {}
BUS = InMemorySubscriptionBus()


def tool(name: str, **properties: dict[str, Any]) -> Callable[[Handler], Handler]:
    """Adds a tool whose arguments are all required."""
    schema = {"type": "object", "properties": properties, "required": list(properties)}

    def add(handler: Handler) -> Handler:
        TOOLS[name] = ConformanceTool(handler, schema)
        return handler

    return add


def text(words: str) -> types.TextContent:
    return types.TextContent(type="text", text=words)


def image() -> types.ImageContent:
    return types.ImageContent(type="image", data=PNG, mime_type="image/png")


def document(uri: str, mime_type: str, words: str) -> types.EmbeddedResource:
    contents = types.TextResourceContents(uri=uri, mime_type=mime_type, text=words)
    return types.EmbeddedResource(type="resource", resource=contents)


def _fixed(name: str, *content: types.ContentBlock) -> None:
    @tool(name)
    async def handler(context: Context, params: Params) -> Result:
        return types.CallToolResult(content=list(content))


_fixed("test_simple_text", text("A plain answer."))
_fixed("test_image_content", image())
_fixed("test_audio_content", types.AudioContent(type="audio", data=WAV, mime_type="audio/wav"))
_fixed("test_embedded_resource", document("test://embedded", "text/plain", "Some words."))
_fixed(
    "test_multiple_content_types",
    text("Three kinds:"),
    image(),
    document("test://mixed", "application/json", '{"kind":"third"}'),
)
_fixed("test_logging_tool", text("Nothing was logged."))

# Every keyword that a proxy or SDK might drop from a listed tool.
_SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {"address": {"$anchor": "addressDef", "properties": {"city": {"type": "string"}}}},
    "properties": {"name": {"type": "string"}, "address": {"$ref": "#/$defs/address"}},
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contact": {"const": "phone"}}, "required": ["contact"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}
TOOLS["json_schema_2020_12_tool"] = replace(TOOLS["test_simple_text"], schema=_SCHEMA)


@tool("test_trigger_tool_change")
async def _tool_change(context: Context, params: Params) -> Result:
    await BUS.publish(ToolsListChanged())
    return types.CallToolResult(content=[text("told")])


@tool("test_trigger_prompt_change")
async def _prompt_change(context: Context, params: Params) -> Result:
    await BUS.publish(PromptsListChanged())
    return types.CallToolResult(content=[text("told")])


@tool("test_error_handling")
async def _error(context: Context, params: Params) -> Result:
    return types.CallToolResult(content=[text("It failed, as it was meant to.")], is_error=True)


@tool("test_tool_with_logging")
async def _logging(context: Context, params: Params) -> Result:
    for words in ("started", "at work", "completed"):
        await context.session.send_log_message("info", words, related_request_id=context.request_id)
        await asyncio.sleep(0.05)
    return types.CallToolResult(content=[text("logged")])


@tool("test_tool_with_progress")
async def _progress(context: Context, params: Params) -> Result:
    for done in (0, 50, 100):
        await context.session.report_progress(done, 100)
        await asyncio.sleep(0.05)
    return types.CallToolResult(content=[text("progressed")])


@tool("test_reconnection")
async def _reconnection(context: Context, params: Params) -> Result:
    if context.close_sse_stream is not None:
        await context.close_sse_stream()
    await asyncio.sleep(0.2)  # the client reconnects meanwhile
    return types.CallToolResult(content=[text("reconnected")])


@tool("test_sampling", prompt={"type": "string"})
async def _sampling(context: Context, params: Params) -> Result:
    prompt = text((params.arguments or {})["prompt"])
    told = await context.session.create_message(
        [types.SamplingMessage(role="user", content=prompt)],
        max_tokens=100,
        related_request_id=context.request_id,
    )
    return types.CallToolResult(content=[text(f"LLM response: {told.content}")])


async def _elicit(context: Context, message: str, schema: dict[str, Any]) -> Result:
    told = await context.session.elicit_form(message, schema, context.request_id)
    words = f"action={told.action}, content={json.dumps(told.content)}"
    return types.CallToolResult(content=[text(f"Elicitation completed: {words}")])


@tool("test_elicitation", message={"type": "string"})
async def _elicitation(context: Context, params: Params) -> Result:
    properties = {"username": {"type": "string"}, "email": {"type": "string"}}
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return await _elicit(context, (params.arguments or {})["message"], schema)


@tool("test_elicitation_sep1034_defaults")
async def _defaults(context: Context, params: Params) -> Result:
    states = ["active", "inactive", "pending"]
    properties = {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": states, "default": "active"},
        "verified": {"type": "boolean", "default": True},
    }
    return await _elicit(context, "Who?", {"type": "object", "properties": properties})


@tool("test_elicitation_sep1330_enums")
async def _enums(context: Context, params: Params) -> Result:
    plain = ["option1", "option2", "option3"]
    titled = [{"const": f"value{n}", "title": f"Option {n}"} for n in (1, 2, 3)]
    names = {"enum": ["opt1", "opt2", "opt3"], "enumNames": ["One", "Two", "Three"]}
    properties = {
        "untitledSingle": {"type": "string", "enum": plain},
        "titledSingle": {"type": "string", "oneOf": titled},
        "legacyEnum": {"type": "string", **names},
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": plain}},
        "titledMulti": {"type": "array", "items": {"anyOf": titled}},
    }
    return await _elicit(context, "Which?", {"type": "object", "properties": properties})


@tool("test_missing_capability")
async def _missing_capability(context: Context, params: Params) -> Result:
    given = context.session.client_capabilities
    if given is None or given.sampling is None:
        needed = {"requiredCapabilities": {"sampling": {}}}
        raise MCPError(types.MISSING_REQUIRED_CLIENT_CAPABILITY, "sampling is needed", needed)
    return types.CallToolResult(content=[text("capable")])


@tool("test_custom_header", region={"type": "string", "x-mcp-header": "Region"})
async def _custom_header(context: Context, params: Params) -> Result:
    return types.CallToolResult(content=[text("in that region")])


def _rounds(name: str, *rounds: types.InputRequests, state: str = "") -> None:
    """A tool that asks for input in so many rounds; with `state`, it wants that echoed."""

    @tool(name)
    async def handler(context: Context, params: Params) -> Result:
        answers = params.input_responses or {}
        done = 0
        if state and params.request_state:
            done = int(params.request_state.removeprefix(state))
        if done < len(rounds) and rounds[done].keys() <= answers.keys():
            done += 1
        if done < len(rounds):
            return asked(rounds[done], f"{state}{done}" if state else None)
        told = {key: answer.model_dump(mode="json") for key, answer in answers.items()}
        return types.CallToolResult(content=[text(f"state-ok {json.dumps(told)}")])


_rounds("test_input_required_result_elicitation", {"user_name": NAME.elicit})
_rounds("test_streaming_elicitation", {"user_name": NAME.elicit})
_rounds("test_input_required_result_sampling", {"capital_question": NAME.sample})
_rounds("test_input_required_result_list_roots", {"client_roots": NAME.roots})
_rounds("test_input_required_result_request_state", {"confirm": NAME.elicit}, state="confirm:")
_rounds("test_input_required_result_tampered_state", {"confirm": NAME.elicit}, state="sealed:")
_rounds(
    "test_input_required_result_multiple_inputs",
    {"user_name": NAME.elicit, "greeting": NAME.sample, "client_roots": NAME.roots},
    state="all:",
)
_rounds("test_input_required_result_multi_round", *MULTI_ROUND, state="round:")


@tool("test_input_required_result_capabilities")
async def _capabilities(context: Context, params: Params) -> Result:
    given = context.session.client_capabilities
    requests: types.InputRequests = {}
    if given is not None and given.sampling is not None:
        requests["sample"] = NAME.sample
    if given is not None and given.elicitation is not None:
        requests["elicit"] = NAME.elicit
    if not requests or requests.keys() <= (params.input_responses or {}).keys():
        return types.CallToolResult(content=[text("asked for nothing more")])
    return asked(requests)
