"""The geometry of a sequence diagram. Pure: a trace's steps to lines on lanes, worked out on the
server, so that the drawing has its size before it is drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from amaze_app.gateway.traces import Step, TraceSequence

LANE, ROW, TOP = 168, 36, 14
"""The width of a lane, the height of a row, and the space above the first."""

_HEAD = 7  # length of an arrow's head
_LOOP = 46  # how far the arrow of a lane to itself goes
_REACH = 0.72  # how far a refused call gets: it never reached its callee
_GLYPH = 6.4  # width of a character of a label
_TONES = {
    "allowed": "var(--good)",
    "denied": "var(--bad)",
    "shadow": "var(--warn)",
    "alert": "var(--warn)",
    "error": "var(--chart-4)",
}
LEGEND = tuple(_TONES.items())
"""Each verdict and its colour."""

_CALM = "var(--calm)"
USER_MESSAGE = "message"


@dataclass(frozen=True)
class Lane:
    """A participant: its middle, and its name, short and whole."""

    id: str
    x: int
    name: str
    kind: str


@dataclass(frozen=True)
class Arrow:
    """A call. `number` is its step's (0: the message of a user, which is no call); `line` and
    `head` are SVG paths; `left`, `top`, `width` the place of the button over it."""

    number: int
    key: str
    line: str
    head: str
    color: str
    dash: str
    text: str
    text_x: str
    text_y: str
    left: int
    top: int
    width: int
    about: str


@dataclass(frozen=True)
class Diagram:
    """All of it, in pixels."""

    lanes: tuple[Lane, ...] = ()
    arrows: tuple[Arrow, ...] = ()
    width: int = LANE
    height: int = TOP


def draw(trace: TraceSequence, most: int) -> Diagram:
    """The first `most` steps, each on a row of its own, with the messages of users before them."""
    shown = tuple(_rows(trace, most))
    used = {end for row in shown for end in row[:2]}
    seen = [one for one in trace.participants if one.id in used]
    lanes = tuple(
        Lane(one.id, LANE // 2 + LANE * place, one.name, one.kind) for place, one in enumerate(seen)
    )
    middles = {lane.id: lane.x for lane in lanes}
    arrows = tuple(
        _arrow(middles, came_from, went_to, place, step)
        for place, (came_from, went_to, step) in enumerate(shown)
    )
    loop = any(row[0] == row[1] == lanes[-1].id for row in shown)
    width = LANE * max(1, len(lanes)) + (_LOOP if loop else 0)
    return Diagram(lanes, arrows, width, TOP * 2 + ROW * len(arrows))


def _rows(trace: TraceSequence, most: int) -> Iterator[tuple[str, str, Step | None]]:
    """From, to, and the step: None is the message of a user, before the turn's first step."""
    messages = {(turn.turn_id, turn.went_to): turn for turn in trace.turns if turn.parent is None}
    for step in trace.steps[:most]:
        turn = messages.pop((step.record.turn_id, step.came_from), None)
        if turn is not None:
            yield turn.came_from, turn.went_to, None
        yield step.came_from, step.went_to, step


def _arrow(
    middles: Mapping[str, int], came_from: str, went_to: str, place: int, step: Step | None
) -> Arrow:
    x1, x2, y = middles[came_from], middles[went_to], TOP + ROW * (place + 1) - 8
    verdict = step.verdict if step else ""
    span = abs(x2 - x1) or LANE
    text = step.label if step else USER_MESSAGE
    reason = _reason(step)
    line, head = _lines(x1, x2, y, refused=verdict == "denied")
    return Arrow(
        number=step.number if step else 0,
        key=step.record.decision_id if step else f"message-{place}",
        line=line,
        head=head,
        color=_TONES.get(verdict, _CALM),
        dash=dash(verdict),
        text=cut(f"{text} · {reason}" if reason else text, int(span / _GLYPH) - 2),
        text_x=f"{(x1 + x2) / 2 if x1 != x2 else x1 + LANE / 2:.0f}",
        text_y=str(y - 7),
        left=min(x1, x2),
        top=y - ROW + 9,
        width=span,
        about=_about(step, came_from, went_to, reason),
    )


def _lines(x1: int, x2: int, y: int, *, refused: bool) -> tuple[str, str]:
    if x1 == x2:  # to itself
        end = x1 + 2
        line = f"M{x1} {y - 10} h{_LOOP} v10 H{end}"
        return line, _cross(x1 + _LOOP, y) if refused else _point(end, y, -1)
    way = 1 if x2 > x1 else -1
    if refused:
        end = round(x1 + (x2 - x1) * _REACH)
        return f"M{x1} {y} H{end}", _cross(end, y)
    return f"M{x1} {y} H{x2 - way}", _point(x2 - way, y, way)


def _point(x: int, y: int, way: int) -> str:
    return f"M{x - way * _HEAD} {y - 4} L{x} {y} L{x - way * _HEAD} {y + 4}"


def _cross(x: int, y: int) -> str:
    return f"M{x - 4} {y - 4} l8 8 M{x - 4} {y + 4} l8 -8"


def _about(step: Step | None, came_from: str, went_to: str, reason: str) -> str:
    ends = f"{name(came_from)} to {name(went_to)}"
    if step is None:
        return f"Message: {ends}"
    why = f", {reason}" if reason else ""
    return f"Step {step.number}: {ends}, {step.label}, {step.verdict}{why}"


def _reason(step: Step | None) -> str:
    if step is None:
        return ""
    return step.record.denial_reason or step.record.would_deny


def dash(verdict: str) -> str:
    """How the line of a verdict is broken."""
    return "5 4" if verdict == "shadow" else "none"


def name(lane: str) -> str:
    """The name in the id of a lane, which is `kind:name`."""
    return lane.partition(":")[2] or lane


def cut(text: str, most: int) -> str:
    """At most so many characters."""
    return text if len(text) <= most else text[: max(1, most - 1)] + "…"
