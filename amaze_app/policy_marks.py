"""What is wrong with which step of a draft's graph. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Protocol

from amaze_app.policy_graph import Graph

_STEP = re.compile(r"graph\.steps\[([0-9]{1,4})\](?:\.(\w+))?")
_WHOLE = re.compile(r"(mode|graph(\.start_step|\.steps)?)?")
_KNOWN = ("is no step", "start_step")


class Said(Protocol):
    """A remark of the policy's check: a field of the document, and what is wrong with it."""

    @property
    def field(self) -> str: ...

    @property
    def message(self) -> str: ...


def marks(graph: Graph, remarks: Iterable[Said]) -> dict[int, str]:
    """By step, what is said of it, and the ways of it that lead nowhere."""
    found: dict[int, list[str]] = {}
    for step_id, text in (*_remarked(graph, remarks), *_lost(graph)):
        texts = found.setdefault(step_id, [])
        if text not in texts:
            texts.append(text)
    return {step_id: "; ".join(texts) for step_id, texts in found.items()}


def notes(graph: Graph, remarks: Iterable[Said]) -> list[str]:
    """What is said of the graph as a whole, in the words of who draws it."""
    # without the two that `_whole` and `_lost` say better
    said = [
        f"{one.field}: {one.message}".removeprefix(": ")
        for one in remarks
        if _WHOLE.fullmatch(one.field) and not any(word in one.message for word in _KNOWN)
    ]
    return [*_whole(graph), *said]


def _whole(graph: Graph) -> Iterator[str]:
    if not graph.steps:
        yield "The graph has no step yet: add the first one."
    elif graph.start is None:
        yield "No step is the start: choose one."
    elif graph.start not in graph.ids:
        yield f"The start is step {graph.start}, which is not there: choose another one."


def _remarked(graph: Graph, remarks: Iterable[Said]) -> Iterator[tuple[int, str]]:
    for one in remarks:
        at = _STEP.match(one.field)
        if at and int(at[1]) < len(graph.steps):
            name = "" if at[2] in (None, "callee_id") else f"{at[2]} "
            yield graph.steps[int(at[1])].step_id, f"{name}{one.message}"


def _lost(graph: Graph) -> Iterator[tuple[int, str]]:
    for step in graph.steps:
        for to in step.following:
            if to not in graph.ids:
                yield step.step_id, f"step {to} is to follow, which is not there"
