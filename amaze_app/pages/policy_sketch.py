"""The execution graph of a draft: how it is shown, and written back into the draft."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import reflex as rx

from amaze_app import policy_draft, policy_drawing, policy_graph, policy_layout, policy_palette
from amaze_app.gateway import Outage, Principal, Refused
from amaze_app.policy_drawing import NOBODY, Drawing, Picked, Sketch
from amaze_app.policy_graph import Graph, Impossible, NotDrawn
from amaze_app.policy_palette import Callee
from amaze_app.policy_undo import History
from amaze_app.state import PageState

_TAB = "graph"
_PALETTE_MS = 10_000  # what is registered is read anew when this has passed

Edit = Callable[[Graph], Graph]
Move = Callable[[Graph], policy_layout.Places]


class DraftGraph(PageState, mixin=True):
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
