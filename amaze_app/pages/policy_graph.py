"""The execution graph of a draft: each edit writes the draft anew."""

from __future__ import annotations

from amaze_app import policy_drawing, policy_graph, policy_layout
from amaze_app.gate import allowed
from amaze_app.gateway import Need
from amaze_app.pages.policy_sketch import DraftGraph
from amaze_app.policy_drawing import NOBODY, STRICT
from amaze_app.policy_graph import Graph

_TEXT_MAX = 100
_DIGITS_MAX = 16


class GraphActs(DraftGraph, mixin=True):
    """What a person does to the graph."""

    @allowed(Need.OPERATOR, owns="agent_id")
    async def add_step(self, agent_id: str, kind: str, callee: str) -> None:
        """A new step in a free place, which runs once."""
        await self._add(agent_id, kind, callee)

    @allowed(Need.OPERATOR, owns="agent_id")
    async def add_other(self, agent_id: str, form: dict[str, str]) -> None:
        """A new step that calls what was typed."""
        await self._add(agent_id, form.get("kind", ""), form.get("callee", ""))

    @allowed(Need.OPERATOR, owns="agent_id")
    async def remove_steps(self, agent_id: str, steps: str, ways: str) -> None:
        """Takes steps (JSON: numbers) and ways (JSON: pairs of numbers) away."""

        def edit(graph: Graph) -> Graph:
            for source, target in policy_drawing.pairs(ways):
                graph = policy_graph.disconnect(graph, source, target)
            return policy_graph.remove(graph, policy_drawing.numbers(steps))

        await self._edit(agent_id, edit)

    @allowed(Need.OPERATOR, owns="agent_id")
    async def join(self, agent_id: str, source: int, target: int) -> None:
        """A way from one step to another; from a step to itself: it may run again."""
        await self._edit(agent_id, lambda graph: policy_graph.connect(graph, source, target))
        if source == target and not self.notice:
            self.said = f"Step {source} may run again; its limit says how often"

    @allowed(Need.OPERATOR, owns="agent_id")
    async def join_chosen(self, agent_id: str, source: int, form: dict[str, str]) -> None:
        """A way to the step that was chosen in the list."""
        target = _number(form.get("target", ""))
        await self._edit(agent_id, lambda graph: policy_graph.connect(graph, source, target))

    @allowed(Need.OPERATOR, owns="agent_id")
    async def begin_with(self, agent_id: str, step_id: int) -> None:
        """Another start."""
        await self._edit(agent_id, lambda graph: policy_graph.begin(graph, step_id))

    @allowed(Need.OPERATOR, owns="agent_id")
    async def change_step(self, agent_id: str, step_id: int, form: dict[str, str]) -> None:
        """What a step calls, and how often."""
        kind, callee = str(form.get("kind", "")), str(form.get("callee", "")).strip()
        runs = _number(form.get("runs", "") or "0")

        def edit(graph: Graph) -> Graph:
            called = policy_graph.call(graph, step_id, kind, callee)
            return policy_graph.limit(called, step_id, runs)

        await self._edit(agent_id, edit)

    @allowed(Need.OPERATOR, owns="agent_id")
    async def move_steps(self, agent_id: str, places: str) -> None:
        """Where steps were put (JSON: `{"1": [x, y]}`)."""
        moved = policy_layout.read(str(places))
        await self._edit(agent_id, lambda graph: graph, lambda _: moved)

    @allowed(Need.OPERATOR, owns="agent_id")
    async def arrange(self, agent_id: str) -> None:
        """Every step in the place that the layout has for it."""
        await self._edit(agent_id, lambda graph: graph, policy_layout.arranged)
        self.fit += 1

    @allowed(Need.OPERATOR, owns="agent_id")
    async def undo(self, agent_id: str) -> None:
        """The graph as it was before the last edit, wherever that was made."""
        if agent_id == self.agent and self._history is not None:
            await self._back_to(self._history.undone())

    @allowed(Need.OPERATOR, owns="agent_id")
    async def redo(self, agent_id: str) -> None:
        """The edit that was taken back."""
        if agent_id == self.agent and self._history is not None:
            await self._back_to(self._history.redone())

    @allowed(Need.OPERATOR, owns="agent_id")
    async def set_mode(self, agent_id: str, mode: str) -> None:
        """Strict, with the graph that there is or was last; flexible, without one."""
        if agent_id == self.agent and mode in policy_drawing.MODES:
            await self._do(self._turned(mode == STRICT))
            self.fit += 1

    @allowed(Need.VIEWER)
    def pick(self, step_id: int) -> None:
        """Opens a step in the list; shuts it when it is open."""
        self._choose(NOBODY if step_id == self._picked else step_id)

    @allowed(Need.VIEWER)
    def follow(self, step_id: int) -> None:
        """Opens the step that was selected on the canvas."""
        self._choose(step_id)

    @allowed(Need.VIEWER)
    def find(self, text: str) -> None:
        """What can be called and has these words in its name."""
        self._asked = str(text)[:_TEXT_MAX]
        self._offer()


def _number(text: object) -> int:
    """What was typed, as a number; -1 where it is none, which no step can be."""
    typed = str(text).strip()
    return int(typed) if typed.isdecimal() and len(typed) <= _DIGITS_MAX else NOBODY
