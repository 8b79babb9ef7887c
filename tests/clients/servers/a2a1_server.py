"""An agent of a2a-sdk 1.x: JSON-RPC at /, REST at /rest; 0.3 is understood at both.

It echoes; to `work` it answers by a task with an artifact in three parts.
"""

from __future__ import annotations

from a2a.helpers import (
    get_message_text,
    new_task_from_user_message,
    new_text_message,
    new_text_part,
)
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes, create_rest_routes
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types import AgentCapabilities, AgentCard, AgentInterface, AgentSkill
from serving import executed, options, serve
from starlette.applications import Starlette


class Echo(AgentExecutor):
    """The agent."""

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        """Answers one message."""
        text = get_message_text(context.message) if context.message else ""
        executed(text)
        if text == "work":
            await _work(context, event_queue)
        else:
            reply = new_text_message(f"echo: {text}", context_id=context.context_id)
            await event_queue.enqueue_event(reply)

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        """Nothing here runs long enough to be cancelled."""


async def _work(context: RequestContext, event_queue: EventQueue) -> None:
    assert context.message is not None
    task = new_task_from_user_message(context.message)
    await event_queue.enqueue_event(task)
    updater = TaskUpdater(event_queue, task.id, task.context_id)
    await updater.start_work()
    for number in range(3):
        part = new_text_part(f"part {number}")
        await updater.add_artifact(
            [part], artifact_id="result", append=number > 0, last_chunk=number == 2
        )
    await updater.complete()


def _card(base: str, name: str) -> AgentCard:
    ways = [
        ("JSONRPC", base, "1.0"),
        ("HTTP+JSON", f"{base}/rest", "1.0"),
        ("JSONRPC", base, "0.3"),
    ]
    return AgentCard(
        name=name,
        description="It echoes.",
        version="1.0.0",
        supported_interfaces=[
            AgentInterface(url=url, protocol_binding=binding, protocol_version=version)
            for binding, url, version in ways
        ],
        capabilities=AgentCapabilities(streaming=True),
        default_input_modes=["text/plain"],
        default_output_modes=["text/plain"],
        skills=[AgentSkill(id="echo", name="echo", description="Echoes.", tags=["echo"])],
    )


def _app(base: str) -> Starlette:
    card = _card(args.url or base, "echo")
    handler = DefaultRequestHandler(Echo(), InMemoryTaskStore(), card)
    return Starlette(
        routes=[
            *create_agent_card_routes(card),
            *create_jsonrpc_routes(handler, "/", enable_v0_3_compat=True),
            *create_rest_routes(handler, path_prefix="/rest", enable_v0_3_compat=True),
        ]
    )


parser = options()
parser.add_argument("--url", help="the base URL that the card names; its own without")
args = parser.parse_args()
serve(args, _app)
