# mypy: ignore-errors
# (its packages are not in the platform's environment)
"""An agent of LangChain and a2a-sdk that knows nothing of aMaze: HTTP_PROXY and the CA come from
its environment.
"""

import sys

import uvicorn
from a2a.helpers import get_message_text, new_text_message
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes
from a2a.server.tasks import InMemoryTaskStore
from a2a.types import AgentCapabilities, AgentCard, AgentInterface, AgentSkill
from langchain.agents import create_agent
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.tools import load_mcp_tools
from langchain_openai import ChatOpenAI
from starlette.applications import Starlette

MODEL = ChatOpenAI(model="gpt-4.1-mini", api_key="demo")
SERVERS = {"library": {"url": "http://library/mcp", "transport": "streamable_http"}}


async def write(question: str) -> str:
    """Thinks and uses its tools until it has an answer."""
    async with MultiServerMCPClient(SERVERS).session("library") as session:
        agent = create_agent(MODEL, await load_mcp_tools(session))
        done = await agent.ainvoke({"messages": [{"role": "user", "content": question}]})
    return done["messages"][-1].text


class Writer(AgentExecutor):
    """The agent as a2a-sdk wants it."""

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        reply = await write(get_message_text(context.message))
        await event_queue.enqueue_event(new_text_message(reply, context_id=context.context_id))

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        """Nothing here runs long enough to be cancelled."""


def create_app(port: int) -> Starlette:
    """The card, and JSON-RPC at /."""
    place = AgentInterface(
        url=f"http://127.0.0.1:{port}/", protocol_binding="JSONRPC", protocol_version="1.0"
    )
    card = AgentCard(
        name="writer-agent",
        description="Writes notes from what the library has.",
        version="1.0.0",
        supported_interfaces=[place],
        capabilities=AgentCapabilities(streaming=False),
        default_input_modes=["text/plain"],
        default_output_modes=["text/plain"],
        skills=[AgentSkill(id="write", name="write", description="Writes.", tags=["write"])],
    )
    handler = DefaultRequestHandler(Writer(), InMemoryTaskStore(), card)
    return Starlette(routes=[*create_agent_card_routes(card), *create_jsonrpc_routes(handler, "/")])


if __name__ == "__main__":
    port = int(sys.argv[1])
    uvicorn.run(create_app(port), host="127.0.0.1", port=port, log_level="warning")
