"""The execution graph of a draft: what it has, and how it is edited. Pure.

A draft may be wrong in what it says (a callee that is no name, a start that is no step) and is
drawn all the same; it cannot be drawn when it is not shaped like a graph.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

KINDS = ("tool", "agent", "llm")
STEPS_MAX = 500
ID_MAX = 1_000_000
RUNS_MAX = 10**15
CALLEE_MAX = 400

_STEP = {"step_id", "call_type", "callee_id", "max_loops", "next_steps"}
_GRAPH = {"start_step", "steps"}


class NotDrawn(ValueError):
    """The graph has another shape than a graph; the text says where."""


class Impossible(ValueError):
    """An edit that cannot be made; the text is for the person who tried."""


@dataclass(frozen=True, slots=True)
class Step:
    """A call of the graph. `runs`: how often it may run in a turn (0: any number)."""

    step_id: int
    kind: str
    callee: str
    runs: int = 0
    following: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Graph:
    """Steps in the order of the document; `start` None: the draft names none yet."""

    start: int | None = None
    steps: tuple[Step, ...] = ()

    @property
    def ids(self) -> frozenset[int]:
        """Of all steps."""
        return frozenset(one.step_id for one in self.steps)

    def step(self, step_id: int) -> Step:
        """Raises Impossible where there is none of this number."""
        for one in self.steps:
            if one.step_id == step_id:
                return one
        raise Impossible(f"there is no step {step_id} any more")


def read(data: object) -> Graph:
    """The graph of a document. Raises NotDrawn."""
    _shaped(data, dict, "graph", "a mapping of start_step and steps")
    _known(data, _GRAPH, "graph")
    start, steps = data.get("start_step"), data.get("steps")  # type: ignore[attr-defined]
    if start is not None:
        _number(start, ID_MAX, "graph.start_step")
    steps = [] if steps is None else steps
    _shaped(steps, list, "graph.steps", "a list")
    if len(steps) > STEPS_MAX:
        raise NotDrawn(f"graph.steps has more than {STEPS_MAX} steps")
    found = tuple(_step(one, f"graph.steps[{place}]") for place, one in enumerate(steps))
    seen: set[int] = set()
    for one in found:
        if one.step_id in seen:
            raise NotDrawn(f"graph.steps has the step_id {one.step_id} twice")
        seen.add(one.step_id)
    return Graph(start, found)


def as_data(graph: Graph) -> dict[str, Any]:
    """What stands in the document."""
    start = {} if graph.start is None else {"start_step": graph.start}
    return {**start, "steps": [_as_data(one) for one in graph.steps]}


def add(graph: Graph, kind: str, callee: str) -> tuple[Graph, int]:
    """With a step that runs once; it is the start where there is none. And its number."""
    _callable(kind, callee)
    if len(graph.steps) >= STEPS_MAX:
        raise Impossible(f"a graph has at most {STEPS_MAX} steps")
    step_id = next(number for number in count(1) if number not in graph.ids)
    start = graph.start if graph.start in graph.ids else step_id
    return Graph(start, (*graph.steps, Step(step_id, kind, callee, 1))), step_id


def remove(graph: Graph, step_ids: Iterable[int]) -> Graph:
    """Without these steps, and without the ways to them. Another step begins where the start was
    one of them: the next that is left, else the first."""
    gone = frozenset(step_ids)
    left = tuple(
        replace(one, following=tuple(to for to in one.following if to not in gone))
        for one in graph.steps
        if one.step_id not in gone
    )
    if graph.start not in gone:
        return Graph(graph.start, left)
    after = graph.step(graph.start).following if graph.start in graph.ids else ()
    ids = [one.step_id for one in left]
    return Graph(next((to for to in (*after, *ids) if to in ids), None), left)


def connect(graph: Graph, source: int, target: int) -> Graph:
    """With a way from one step to another. From a step to itself: it may run again, any number of
    times where it could run but once."""
    one = graph.step(source)
    graph.step(target)
    if source == target:
        return limit(graph, source, 0 if one.runs == 1 else one.runs)
    if target in one.following:
        return graph
    return _with(graph, replace(one, following=(*one.following, target)))


def disconnect(graph: Graph, source: int, target: int) -> Graph:
    """Without the way from one step to another."""
    one = graph.step(source)
    return _with(graph, replace(one, following=tuple(to for to in one.following if to != target)))


def begin(graph: Graph, step_id: int) -> Graph:
    """With another start."""
    return replace(graph, start=graph.step(step_id).step_id)


def limit(graph: Graph, step_id: int, runs: int) -> Graph:
    """With another limit for the runs of a step (0: none)."""
    if not 0 <= runs <= RUNS_MAX:
        raise Impossible("a step runs 1 time or more; 0 is any number of times")
    return _with(graph, replace(graph.step(step_id), runs=runs))


def call(graph: Graph, step_id: int, kind: str, callee: str) -> Graph:
    """With another call for a step."""
    _callable(kind, callee)
    return _with(graph, replace(graph.step(step_id), kind=kind, callee=callee))


def _with(graph: Graph, step: Step) -> Graph:
    steps = (step if one.step_id == step.step_id else one for one in graph.steps)
    return replace(graph, steps=tuple(steps))


def _callable(kind: str, callee: str) -> None:
    if kind not in KINDS:
        raise Impossible(f"a step calls one of {', '.join(KINDS)}")
    if not callee or len(callee) > CALLEE_MAX:
        raise Impossible(f"name what the step calls, in at most {CALLEE_MAX} characters")


def _step(data: object, at: str) -> Step:
    _shaped(data, dict, at, "a mapping")
    _known(data, _STEP, at)
    found: dict[str, Any] = data  # type: ignore[assignment]
    kind, callee = found.get("call_type"), found.get("callee_id")
    runs, following = found.get("max_loops", 0), found.get("next_steps", [])
    if kind not in KINDS:
        raise NotDrawn(f"{at}.call_type must be one of {', '.join(KINDS)}")
    _shaped(callee, str, f"{at}.callee_id", "a text")
    _shaped(following, list, f"{at}.next_steps", "a list")
    _number(runs, RUNS_MAX, f"{at}.max_loops")
    for to in following:
        _number(to, ID_MAX, f"{at}.next_steps")
    step_id = _number(found.get("step_id"), ID_MAX, f"{at}.step_id")
    return Step(step_id, str(kind), str(callee), runs, tuple(dict.fromkeys(following)))


def _as_data(step: Step) -> dict[str, Any]:
    data: dict[str, Any] = {
        "step_id": step.step_id,
        "call_type": step.kind,
        "callee_id": step.callee,
    }
    if step.runs:
        data["max_loops"] = step.runs
    return {**data, "next_steps": list(step.following)} if step.following else data


def _shaped(value: object, kind: type, at: str, name: str) -> None:
    if not isinstance(value, kind):
        raise NotDrawn(f"{at} must be {name}")


def _known(data: Any, known: set[str], at: str) -> None:
    for key in data:
        if key not in known:
            raise NotDrawn(f"{at} has the unknown key {str(key)[:80]!r}")


def _number(value: object, most: int, at: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise NotDrawn(f"{at} must be a whole number from 0 to {most}")
    return value
