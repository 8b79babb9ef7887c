"""An agent of a2a-sdk's 0.3 line: JSON-RPC at /. It does what a2a1_server.py does."""

from __future__ import annotations

from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.apps import A2AStarletteApplication
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types import AgentCapabilities, AgentCard, AgentSkill, Part, TextPart
from a2a.utils import new_agent_text_message, new_task
from serving import executed, options, serve
from starlette.applications import Starlette


class Echo(AgentExecutor):
    """The agent."""

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        """Answers one message."""
        text = context.get_user_input()
        executed(text)
        if text == "work":
            await _work(context, event_queue)
        else:
            await event_queue.enqueue_event(
                new_agent_text_message(f"echo: {text}", context_id=context.context_id)
            )

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        """Nothing here runs long enough to be cancelled."""


async def _work(context: RequestContext, event_queue: EventQueue) -> None:
    assert context.message is not None
    task = new_task(context.message)
    await event_queue.enqueue_event(task)
    updater = TaskUpdater(event_queue, task.id, task.context_id)
    await updater.start_work()
    for number in range(3):
        part = Part(root=TextPart(text=f"part {number}"))
        await updater.add_artifact(
            [part], artifact_id="result", append=number > 0, last_chunk=number == 2
        )
    await updater.complete()


def _app(base: str) -> Starlette:
    card = AgentCard(
        name="echo",
        description="It echoes.",
        version="1.0.0",
        url=args.url or base,
        capabilities=AgentCapabilities(streaming=True),
        default_input_modes=["text/plain"],
        default_output_modes=["text/plain"],
        skills=[AgentSkill(id="echo", name="echo", description="Echoes.", tags=["echo"])],
    )
    handler = DefaultRequestHandler(Echo(), InMemoryTaskStore())
    return A2AStarletteApplication(card, handler).build()


parser = options()
parser.add_argument("--url", help="the base URL that the card names; its own without")
args = parser.parse_args()
serve(args, _app)
