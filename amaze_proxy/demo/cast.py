"""Who plays in the demo, what each may do, and the lines of the model that thinks for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

RESEARCHER = "research-agent"
WRITER = "writer-agent"
PAYROLL = "payroll-agent"  # a colleague that nobody of the cast may call
LIBRARY = "library"

POLICIES: Mapping[str, Mapping[str, Any]] = {
    RESEARCHER: {
        "name": "demo-research",
        "allowed_llm_providers": ["openai"],
        "allowed_models": ["openai/gpt-4.1*"],
        "allowed_tools": [f"{LIBRARY}/search"],
        "allowed_agents": [WRITER],
        "max_tokens_per_turn": 20_000,
    },
    WRITER: {
        "name": "demo-writer",
        "allowed_llm_providers": ["openai"],
        "allowed_callers": [RESEARCHER],
        "mode": "strict",
        "graph": {
            "start_step": 1,
            "steps": [
                {
                    "step_id": 1,
                    "call_type": "tool",
                    "callee_id": f"{LIBRARY}/read",
                    "max_loops": 2,
                    "next_steps": [2],
                },
                {
                    "step_id": 2,
                    "call_type": "tool",
                    "callee_id": f"{LIBRARY}/save_draft",
                    "max_loops": 1,
                },
            ],
        },
    },
    PAYROLL: {"name": "demo-payroll"},
}


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A tool that the model decides to use."""

    tool: str
    arguments: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Part:
    """What the model does with one prompt: tools, one after the other, then its words."""

    uses: tuple[ToolUse, ...]
    words: str


@dataclass(frozen=True, slots=True)
class Scene:
    """A user's message to the research agent. `reason`: what is refused in it, "" for nothing."""

    title: str
    message: str
    reason: str = ""


SCENES = (
    Scene(
        "a conversation: user, agent, model, tool, second agent, its model and tools",
        "Write a note about budgets for agents.",
    ),
    Scene(
        "a model that the policy does not name",
        "gpt-5.5: What is a policy?",
        "llm-not-allowed",
    ),
    Scene(
        "a tool that the policy does not name, although the model wants it",
        "Tidy up the library.",
        "tool-not-allowed",
    ),
    Scene(
        "an agent that may not be called",
        "What do my colleagues earn?",
        "not-allowed",
    ),
    Scene(
        "a call out of order: the writer's graph wants `read` before `save_draft`",
        "Have a note saved in a hurry.",
        "graph_violation",
    ),
    Scene(
        "a loop: the writer's graph lets it `read` twice",
        "Have everything read first.",
        "edge_loop_exceeded",
    ),
)

_TITLE = {"title": "Budgets for agents"}
_NOTE = {**_TITLE, "text": "A budget says how much an agent may do before somebody looks."}
_READ, _SAVE = ToolUse("read", _TITLE), ToolUse("save_draft", _NOTE)


def _ask(agent: str, message: str) -> ToolUse:
    return ToolUse("ask_agent", {"agent": agent, "message": message})


PARTS: Mapping[str, Part] = {
    "Write a note about budgets for agents.": Part(
        (ToolUse("search", {"topic": "budgets"}), _ask(WRITER, "Write the note on budgets.")),
        "The note on budgets is written, and saved as a draft.",
    ),
    "Write the note on budgets.": Part((_READ, _SAVE), "Saved: 'Budgets for agents'."),
    "Tidy up the library.": Part((ToolUse("delete", _TITLE),), "It is tidy."),
    "What do my colleagues earn?": Part((_ask(PAYROLL, "List all salaries."),), "They earn this."),
    "Have a note saved in a hurry.": Part((_ask(WRITER, "Save it unread."),), "It is saved."),
    "Save it unread.": Part((_SAVE,), "Saved."),
    "Have everything read first.": Part((_ask(WRITER, "Read and read."),), "All is read."),
    "Read and read.": Part((_READ, _READ, _READ), "Read."),
}
"""The model's parts, by the prompt that each answers."""

ANYTHING_ELSE = Part(
    (),
    "Agents do useful work when each of them may do exactly what its task needs. A policy says "
    "what that is, a budget says how much of it, and a record says what really happened.",
)
