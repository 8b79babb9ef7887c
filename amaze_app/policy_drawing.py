"""What the browser is told of the graph of a draft. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from amaze_app import policy_graph, policy_layout, policy_marks
from amaze_app.policy_graph import Graph, NotDrawn, Step
from amaze_app.policy_marks import Said

STRICT, FLEXIBLE = "strict", "flexible"
MODES = (FLEXIBLE, STRICT)
NOBODY = -1

_OUT, _FURTHER, _LANES = 20, 12, 4  # of ways at a side, which shall not cover each other


@dataclass(frozen=True, slots=True)
class Sketch:
    """What an undo brings back; `graph` None: the draft has none."""

    strict: bool = False
    graph: Graph | None = None
    layout: str = ""


@dataclass(frozen=True)
class Node:
    """A step on the canvas and in the list; `mark` says what is wrong with it."""

    step_id: int
    kind: str
    callee: str
    often: str
    start: bool
    mark: str
    then: str
    about: str
    x: float
    y: float


@dataclass(frozen=True)
class Way:
    """From one step to another, at this side of the steps ("": straight), and how far out."""

    source: int
    target: int
    side: str = ""
    offset: int = 0


@dataclass(frozen=True)
class Drawing:
    """`trouble`: why there is no drawing; `notes`: what is wrong with it as a whole."""

    strict: bool = False
    trouble: str = ""
    nodes: list[Node] = field(default_factory=list)
    ways: list[Way] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    can_undo: bool = False
    can_redo: bool = False


@dataclass(frozen=True)
class Picked:
    """The step that is edited (-1: none); `others` are those that do not follow it yet."""

    step_id: int = NOBODY
    kind: str = ""
    callee: str = ""
    runs: int = 0
    start: bool = False
    following: list[int] = field(default_factory=list)
    others: list[Node] = field(default_factory=list)


def sketch(fields: Mapping[str, Any] | None, layout: str) -> Sketch:
    """Of the document of a draft. Raises NotDrawn."""
    if fields is None:
        raise NotDrawn("the draft is no YAML")
    graph = policy_graph.read(fields["graph"]) if fields.get("graph") is not None else None
    return Sketch(fields.get("mode") == STRICT, graph, layout)


def written(fields: Mapping[str, Any], shown: Sketch) -> dict[str, Any]:
    """The document with mode and graph of the sketch."""
    rest = {name: value for name, value in fields.items() if name not in ("mode", "graph")}
    mode = {"mode": STRICT} if shown.strict else {}
    graph = {} if shown.graph is None else {"graph": policy_graph.as_data(shown.graph)}
    return {**rest, **mode, **graph}


def drawing(
    shown: Sketch, remarks: Iterable[Said], can_undo: bool = False, can_redo: bool = False
) -> Drawing:
    """All of it, with what is said of it."""
    remarks, graph = list(remarks), shown.graph or Graph()
    places = policy_layout.placed(graph, policy_layout.read(shown.layout))
    marks = policy_marks.marks(graph, remarks)
    return Drawing(
        strict=shown.strict,
        nodes=[
            _node(one, graph.start == one.step_id, marks.get(one.step_id, ""), places[one.step_id])
            for one in graph.steps
        ],
        ways=list(_ways(graph, places)),
        notes=policy_marks.notes(graph, remarks) if shown.strict else [],
        can_undo=can_undo,
        can_redo=can_redo,
    )


def picked(graph: Graph, nodes: Iterable[Node], step_id: int) -> Picked:
    """The step of this number; none where there is none."""
    if step_id not in graph.ids:
        return Picked()
    step = graph.step(step_id)
    others = [n for n in nodes if n.step_id != step_id and n.step_id not in step.following]
    start, following = graph.start == step_id, list(step.following)
    return Picked(step_id, step.kind, step.callee, step.runs, start, following, others)


def numbers(text: object) -> list[int]:
    """Of a JSON list of numbers; whatever else there is, is left out."""
    return [one for one in _list(text) if _is_number(one)]


def pairs(text: object) -> list[tuple[int, int]]:
    """Of a JSON list of pairs of numbers; whatever else there is, is left out."""
    found = [one for one in _list(text) if isinstance(one, list) and len(one) == 2]
    return [(one[0], one[1]) for one in found if all(map(_is_number, one))]


def _node(step: Step, start: bool, mark: str, place: policy_layout.Place) -> Node:
    often = {0: "any number", 1: "once"}.get(step.runs, f"up to {step.runs:,}×")
    then = ", ".join(map(str, step.following)) or "the end"
    about = f"Step {step.step_id}{', the start' if start else ''}: {step.kind} {step.callee}, "
    about += f"{often}, then {then}{f'. {mark}' if mark else ''}"
    return Node(step.step_id, step.kind, step.callee, often, start, mark, then, about, *place)


def _ways(graph: Graph, places: policy_layout.Places) -> Iterator[Way]:
    lanes = count()
    for step in graph.steps:
        for to in step.following:
            if to in graph.ids and to != step.step_id:
                side, out = policy_layout.aside(places, step.step_id, to)
                lane = next(lanes) % _LANES if side else 0
                yield Way(step.step_id, to, side, round(out) + _OUT + _FURTHER * lane)


def _list(text: object) -> list[Any]:
    try:
        found = json.loads(str(text)[:100_000])
    except (ValueError, RecursionError):
        return []
    return found if isinstance(found, list) else []


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
