"""The execution graph of a draft: each edit writes the draft anew."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import reflex as rx

from amaze_app import policy_draft, policy_drawing, policy_graph, policy_layout, policy_palette
from amaze_app.gate import allowed
from amaze_app.gateway import Need, Outage, Principal, Refused
from amaze_app.policy_drawing import NOBODY, STRICT, Drawing, Picked, Sketch
from amaze_app.policy_graph import Graph, Impossible, NotDrawn
from amaze_app.policy_palette import Callee
from amaze_app.policy_undo import History
from amaze_app.state import PageState

_TAB = "graph"
_TEXT_MAX = 100
_DIGITS_MAX = 16
_PALETTE_MS = 10_000  # what is registered is read anew when this has passed

Edit = Callable[[Graph], Graph]
Move = Callable[[Graph], policy_layout.Places]


class GraphActs(PageState, mixin=True):
    """Of the state that has the draft: `agent`, `tab`, `draft`, `errors`, `warnings`, `_layout`,
    `_replace`, `_keep_layout`. `_draw` shows the graph, whoever wrote it."""

    drawing: Drawing = Drawing()
    picked: Picked = Picked()
    fit: int = 0
    callees: rx.Field[list[Callee]] = rx.field(default_factory=list)
    callees_more: int = 0
    _asked: str = ""
    _picked: int = NOBODY
    _palette: tuple[Callee, ...] = ()
    _palette_ms: int = 0
    _history: History[Sketch] | None = None
    _of: str = ""

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

    async def _add(self, agent_id: str, kind: object, callee: object) -> None:
        def edit(graph: Graph) -> Graph:
            after, self._picked = policy_graph.add(graph, str(kind), str(callee).strip())
            return after

        await self._edit(agent_id, edit)
        self.fit += 1  # it may be where the canvas does not look

    async def _edit(self, agent_id: str, edit: Edit, move: Move = lambda _: {}) -> None:
        if agent_id == self.agent:
            await self._do(self._edited(edit, move))

    async def _edited(self, edit: Edit, move: Move) -> None:
        """What is not moved stays where it is; what is new comes beside what is picked."""
        before, picked = self._graph(), self._picked
        places = policy_layout.placed(before, policy_layout.read(self._layout))
        try:
            after = edit(before)
        except Impossible as error:
            raise Refused(str(error)) from None
        kept = {one: place for one, place in {**places, **move(before)}.items() if one in after.ids}
        for new in after.ids - before.ids:
            kept[new] = policy_layout.free(kept, picked if picked in kept else None)
        await self._write(Sketch(True, after, policy_layout.written(kept)))

    async def _turned(self, strict: bool) -> None:
        graph = self._last_graph() if strict else None
        await self._write(Sketch(strict, graph, self._layout))

    async def _write(self, sketch: Sketch) -> None:
        """Raises Refused, Outage."""
        who, fields = await self._principal(), policy_draft.document(self.draft)
        if fields is None:
            raise Refused("the draft is no YAML: mend it there first")
        written = policy_drawing.written(fields, sketch)
        if written == fields:  # nothing but places: the text stays as it was typed
            await self._keep_layout(who, sketch.layout)
        else:
            self._layout = sketch.layout
            await self._replace(who, policy_draft.written(written))

    async def _back_to(self, history: History[Sketch]) -> None:
        """The draft is that of the history's present, which `_draw` then finds in it."""
        if history is not self._history:
            self._history = history
            await self._do(self._write(history.present))
            self.fit += 1

    async def _keep_places(self, who: Principal) -> None:
        """The places outlast a draft that was saved. That they could not be kept is no trouble."""
        if self._layout:
            with suppress(Refused, Outage):
                await self._keep_layout(who, self._layout)

    async def _draw(self, who: Principal) -> None:
        """Shows the graph that the draft has now. Raises Refused, Outage."""
        if self._of != self.agent:
            self._of, self._history, self._picked = self.agent, None, NOBODY
            self.drawing, self.picked = Drawing(), Picked()
        if self.tab != _TAB:
            return
        if self._now_ms() - self._palette_ms > _PALETTE_MS:
            self._palette = await policy_palette.palette(self._gateway, who)
            self._palette_ms = self._now_ms()
            self._offer()
        try:
            sketch = self._sketch()
        except NotDrawn as error:
            self._put(drawing=Drawing(trouble=str(error)), picked=Picked())
            return
        history = History(sketch) if self._history is None else self._history.then(sketch)
        self._history = history
        remarks = (*self.errors, *self.warnings)
        undo, redo = bool(history.past), bool(history.future)
        self._put(drawing=policy_drawing.drawing(sketch, remarks, undo, redo))
        self._choose(self._picked)

    def _choose(self, step_id: object) -> None:
        found = Picked()
        if isinstance(step_id, int):
            try:
                found = policy_drawing.picked(self._graph(), self.drawing.nodes, step_id)
            except Refused:
                found = Picked()
        self._picked = found.step_id
        self._put(picked=found)

    def _offer(self) -> None:
        found = policy_palette.matching(self._palette, self._asked)
        shown = found[: policy_palette.SHOWN]
        self._put(callees=shown, callees_more=len(found) - len(shown))

    def _sketch(self) -> Sketch:
        return policy_drawing.sketch(policy_draft.document(self.draft), self._layout)

    def _graph(self) -> Graph:
        try:
            return self._sketch().graph or Graph()
        except NotDrawn as error:
            raise Refused(f"the graph cannot be drawn: {error}") from None

    def _last_graph(self) -> Graph:
        """The present one; else the one that was there last, so that it comes back as it was."""
        past = () if self._history is None else self._history.past
        known = [one.graph for one in past if one.graph is not None]
        present = self._graph()
        return present if present.steps or not known else known[-1]


def _number(text: object) -> int:
    """What was typed, as a number; -1 where it is none, which no step can be."""
    typed = str(text).strip()
    return int(typed) if typed.isdecimal() and len(typed) <= _DIGITS_MAX else NOBODY
