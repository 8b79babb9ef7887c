"""LangChain's agent (a langgraph loop) with langchain-mcp-adapters: tools of one MCP session, model
by OPENAI_BASE_URL. The scripted model of `servers/llm.py` calls the job's tools in their order.

Results are the tool messages that the model was given. An exception ends the run, as it does for
the users of this library.
"""

from __future__ import annotations

import json
from datetime import timedelta

from job import Answer, Job, Result, failed, main
from langchain.agents import create_agent
from langchain_core.messages import ToolMessage
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.tools import load_mcp_tools
from langchain_openai import ChatOpenAI


def _result(message: ToolMessage) -> Result:
    content = message.content
    parts = [{"text": content}] if isinstance(content, str) else content
    text = "\n".join(part.get("text", "") for part in parts if isinstance(part, dict))
    return Result(message.status != "error", text, "" if message.status != "error" else "isError")


async def play(job: Job, answer: Answer) -> None:
    """One conversation."""
    limit = timedelta(seconds=job.timeout)
    kept = {"read_timeout_seconds": limit}
    server = {"url": job.url, "transport": "streamable_http", "session_kwargs": kept}
    model = ChatOpenAI(model="gpt-4o-mini", api_key="sk-test", max_retries=0)
    calls = [{"name": call.tool, "arguments": call.arguments} for call in job.calls]
    async with MultiServerMCPClient({"server": server}).session("server") as session:
        tools = await load_mcp_tools(session)
        answer.tools = [tool.name for tool in tools]
        agent = create_agent(model, tools)
        asked = {"messages": [{"role": "user", "content": json.dumps(calls)}]}
        try:
            async for state in agent.astream(asked, stream_mode="values"):
                said = [m for m in state["messages"] if isinstance(m, ToolMessage)]
                answer.results = [_result(message) for message in said]
        except Exception as error:
            answer.results.append(failed(error))
            raise


main(play)
