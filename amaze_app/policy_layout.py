"""Where the steps of a graph stand on the canvas, in pixels. Pure.

In layers from top to bottom: a step stands below all that lead to it, ways that lead back left
aside. What the start does not lead to stands below all that it does.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping

from amaze_app.policy_graph import Graph

WIDTH, HEIGHT = 216, 80
"""Of a step."""

_RIGHT, _DOWN = WIDTH + 40, HEIGHT + 48
_FAR = 100_000.0

Place = tuple[float, float]
Places = Mapping[int, Place]


def read(text: str) -> dict[int, Place]:
    """The places that were kept with a draft; those that are none are left out."""
    try:
        found = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    each = ((key, _place(value)) for key, value in found.items())
    return {int(key): place for key, place in each if place and key.isdecimal() and len(key) < 8}


def written(places: Places) -> str:
    """The text that `read` reads."""
    return json.dumps({str(key): list(place) for key, place in sorted(places.items())})


def bounded(x: float, y: float) -> Place:
    """A place that the canvas can show, in whole pixels. Raises ValueError for no numbers."""
    if not (math.isfinite(x) and math.isfinite(y)):
        raise ValueError("a place needs two numbers")
    return (float(round(max(-_FAR, min(_FAR, x)))), float(round(max(-_FAR, min(_FAR, y)))))


def arranged(graph: Graph) -> dict[int, Place]:
    """A place for every step; none overlaps another."""
    following, reached = _forward(graph)
    order = _ordered(following)
    layer = dict.fromkeys(order, 0)
    before: dict[int, list[int]] = {one: [] for one in order}
    for one in order:
        for to in following[one]:
            layer[to] = max(layer[to], layer[one] + 1)
            before[to].append(one)
    below = max((layer[one] + 1 for one in reached), default=0)
    layer = {one: at if one in reached else at + below for one, at in layer.items()}
    layers: dict[int, list[int]] = {}
    for one in order:
        layers.setdefault(layer[one], []).append(one)
    row: dict[int, float] = {}
    for _, members in sorted(layers.items()):
        members.sort(key=lambda one: _middle([row[each] for each in before[one]]))
        first = -(len(members) - 1) / 2
        row.update({one: first + place for place, one in enumerate(members)})
    return {one: (row[one] * _RIGHT, float(layer[one] * _DOWN)) for one in order}


def placed(graph: Graph, kept: Places) -> dict[int, Place]:
    """Where each step was put, and a free place near it for each that was not put anywhere."""
    found = {one: kept[one] for one in graph.ids if one in kept}
    if not found:
        return arranged(graph)
    for step in graph.steps:
        if step.step_id not in found:
            leads = (one.step_id for one in graph.steps if step.step_id in one.following)
            found[step.step_id] = free(found, next((one for one in leads if one in found), None))
    return found


def free(taken: Places, beside: int | None = None) -> Place:
    """A place that overlaps nothing: below `beside`, else below all."""
    if not taken:
        return (0.0, 0.0)
    if beside is None:
        beside = max(taken, key=lambda one: (taken[one][1], -abs(taken[one][0])))
    x, y = taken[beside][0], taken[beside][1] + _DOWN
    for left in sorted(left for left, top in taken.values() if abs(top - y) < HEIGHT):
        if abs(left - x) < WIDTH:
            x = left + _RIGHT
    return (x, y)


def aside(places: Places, source: int, target: int) -> tuple[str, float]:
    """At which side of the steps a way between them goes, and how far out, so that no step hides
    it; ("", 0): straight down."""
    (x, y), (to_x, to_y) = places[source], places[target]
    down = to_y >= y + HEIGHT
    if down and not (to_y > y + 1.5 * _DOWN and abs(to_x - x) < _RIGHT):
        return ("", 0.0)
    first, last = min(y, to_y) - HEIGHT, max(y, to_y) + HEIGHT
    passed = [left for left, top in places.values() if first < top < last]
    left, right = min(x, to_x) - min(passed), max(passed) - max(x, to_x)
    return ("left", left) if left < right else ("right", right)


def overlap(places: Places) -> bool:
    """Whether two steps cover each other."""
    found = sorted(places.values())
    return any(
        abs(one[0] - other[0]) < WIDTH and abs(one[1] - other[1]) < HEIGHT
        for place, one in enumerate(found)
        for other in found[place + 1 :]
    )


def _forward(graph: Graph) -> tuple[dict[int, list[int]], frozenset[int]]:
    """The ways, without those that close a circle, and those to what the start leads to from what
    it does not; and what it leads to. A search in depth."""
    following = {
        one.step_id: [to for to in one.following if to in graph.ids] for one in graph.steps
    }
    first = [graph.start] if graph.start in following else []
    forward: dict[int, list[int]] = {one: [] for one in following}
    state: dict[int, bool] = {}  # True: on the way that is walked now
    reached = frozenset[int]()
    for root in dict.fromkeys((*first, *following)):
        if root in state:
            continue
        state[root] = True
        walk: list[tuple[int, Iterator[int]]] = [(root, iter(following[root]))]
        while walk:
            one, ahead = walk[-1]
            to = next(ahead, None)
            if to is None:
                state[one] = False
                walk.pop()
            elif not state.get(to, False) and to not in reached:
                forward[one].append(to)
                if to not in state:
                    state[to] = True
                    walk.append((to, iter(following[to])))
        if root in first:
            reached = frozenset(state)
    return forward, reached


def _ordered(following: Mapping[int, list[int]]) -> list[int]:
    """Each step behind all that lead to it."""
    waits = dict.fromkeys(following, 0)
    for ahead in following.values():
        for to in ahead:
            waits[to] += 1
    order = [one for one, count in waits.items() if not count]
    for one in order:
        for to in following[one]:
            waits[to] -= 1
            if not waits[to]:
                order.append(to)
    return order


def _middle(rows: list[float]) -> float:
    return sum(rows) / len(rows) if rows else _FAR


def _place(value: object) -> Place | None:
    match value:
        case [int() | float() as x, int() | float() as y]:
            try:
                return bounded(x, y)
            except (ValueError, OverflowError):
                return None
    return None
