# mypy: ignore-errors
# (its packages are not in the platform's environment)
"""The agent with the SDK: a loop round a model, with an MCP server's tools and other agents.

`gpt-5.5: What is a policy?` asks another model than the usual one.
"""

import json

import amaze
import openai
from mcp import ClientSession, McpError
from mcp.client.streamable_http import streamable_http_client

MODEL = "gpt-4.1-mini"
LIBRARY = "http://library/mcp"  # its name; the proxy knows where it is
ASK_AGENT = {
    "name": "ask_agent",
    "description": "Sends a message to another agent.",
    "parameters": {
        "type": "object",
        "properties": {"agent": {"type": "string"}, "message": {"type": "string"}},
        "required": ["agent", "message"],
    },
}


async def receive_message_from_user(message: str) -> str:
    model, named, question = message.partition(": ")
    if not named:
        model, question = MODEL, message
    async with (
        openai.AsyncOpenAI(api_key="demo") as llm,
        streamable_http_client(LIBRARY) as (read, write, _),
        ClientSession(read, write) as library,
    ):
        try:
            await library.initialize()
            return await converse(llm, model, library, question)
        except openai.APIStatusError as error:
            return f"I have no such model. {error.body['message']}"
        except McpError as error:
            return f"I have no library. {error}"


async def converse(llm, model: str, library: ClientSession, question: str) -> str:
    listed = (await library.list_tools()).tools
    offered = [
        {"name": one.name, "description": one.description or "", "parameters": one.inputSchema}
        for one in listed
    ]
    tools = [{"type": "function", "function": one} for one in (*offered, ASK_AGENT)]
    messages = [{"role": "user", "content": question}]
    while True:
        answer = await llm.chat.completions.create(model=model, messages=messages, tools=tools)
        said = answer.choices[0].message
        if not said.tool_calls:
            return said.content
        messages.append(said.model_dump(exclude_none=True))
        for call in said.tool_calls:
            result = await use(library, call.function.name, json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})


async def use(library: ClientSession, tool: str, arguments: dict[str, str]) -> str:
    if tool == "ask_agent":
        try:
            return await amaze.send_message_to_agent_async(arguments["agent"], arguments["message"])
        except amaze.SendError as refusal:
            return str(refusal)
    # The model may name any tool, also one that is not offered: the proxy decides, not this code.
    result = await library.call_tool(tool, arguments)
    return "\n".join(part.text for part in result.content)


if __name__ == "__main__":
    amaze.init()
