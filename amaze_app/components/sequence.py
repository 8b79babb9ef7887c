"""A sequence diagram: lanes, and arrows that are buttons. `amaze_app.diagram` works it out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import reflex as rx
from reflex.vars import Var

from amaze_app.diagram import LANE, ROW, Arrow, Diagram, Lane

_FOLLOW = """
const AmazeFollow = ({place}) => {
  useEffect(() => {
    const found = place && document.getElementById(place.split(" ")[0]);
    if (!found) return;
    found.scrollIntoView({block: "nearest", inline: "nearest"});
    if (place.endsWith(" focus")) found.focus({preventScroll: true});
  }, [place]);
  return null;
};
"""
_ICONS = {"user": "user", "agent": "bot", "llm": "sparkles", "mcp": "wrench", "http": "globe"}


class Follow(rx.Component):
    """Scrolls to the element whose id is the first word of `place`, each time that `place` changes;
    with the last word `focus` the keyboard goes there too."""

    tag = "AmazeFollow"
    place: Var[str]

    def add_imports(self) -> dict[str, str]:
        """Of React."""
        return {"react": "useEffect"}

    def add_custom_code(self) -> list[str]:
        """The element, once for each page."""
        return [_FOLLOW]


def follow(place: rx.Var[str]) -> rx.Component:
    """See Follow."""
    return Follow.create(place=place)


def sequence_diagram(
    shown: rx.Var[Diagram], chosen: rx.Var[int], on_pick: Callable[[rx.Var[int]], Any]
) -> rx.Component:
    """The arrow of the step `chosen` is marked; `on_pick` makes the handler of a step's arrow,
    whose id is `arrow-` and the number."""
    drawing = rx.el.div(
        rx.el.svg(
            rx.foreach(shown.lanes, lambda lane: _life(lane, shown.height)),
            rx.foreach(shown.arrows, lambda arrow: _drawn(arrow, chosen)),
            custom_attrs={"aria-hidden": "true"},
            width=shown.width,
            height=shown.height,
            class_name="absolute inset-0",
        ),
        rx.foreach(shown.arrows, lambda arrow: _button(arrow, chosen, on_pick)),
        class_name="relative mx-auto",
        style={"width": _px(shown.width), "height": _px(shown.height)},
    )
    return rx.el.div(
        rx.el.div(
            rx.foreach(shown.lanes, _head),
            class_name="sticky top-0 z-10 mx-auto flex bg-(--card)",
            style={"width": _px(shown.width)},
        ),
        drawing,
        class_name="a-sequence overflow-auto px-2",
        role="group",
        aria_label="Sequence diagram",
        id="sequence",
    )


def _px(pixels: rx.Var[int]) -> rx.Var[str]:
    return pixels.to_string() + "px"


def _head(lane: rx.Var[Lane]) -> rx.Component:
    icon = rx.match(
        lane.kind, *((kind, rx.icon(name, size=14)) for kind, name in _ICONS.items()), rx.fragment()
    )
    return rx.el.div(
        rx.el.div(
            icon,
            rx.el.span(lane.name, class_name="min-w-0 truncate"),
            title=lane.kind + " " + lane.name,
            class_name="mx-2 flex items-center justify-center gap-2 rounded-lg border "
            "border-(--line) bg-(--raised) px-2 py-1 text-xs",
        ),
        class_name="shrink-0 py-2",
        style={"width": f"{LANE}px"},
        key=lane.id,
    )


def _life(lane: rx.Var[Lane], height: rx.Var[int]) -> rx.Component:
    return rx.el.line(
        x1=lane.x, x2=lane.x, y1=0, y2=height, stroke="var(--line)", stroke_dasharray="3 4"
    )


def _drawn(arrow: rx.Var[Arrow], chosen: rx.Var[int]) -> rx.Component:
    width = rx.cond((arrow.number > 0) & (arrow.number == chosen), "3", "1.6")
    pen = {"fill": "none", "stroke": arrow.color, "stroke_width": width}
    return rx.el.g(
        rx.el.path(d=arrow.line, stroke_dasharray=arrow.dash, **pen),
        rx.el.path(d=arrow.head, **pen),
        rx.el.text(
            arrow.text,
            x=arrow.text_x,
            y=arrow.text_y,
            custom_attrs={"textAnchor": "middle"},
        ),
        key=arrow.key,
    )


def _button(
    arrow: rx.Var[Arrow], chosen: rx.Var[int], on_pick: Callable[[rx.Var[int]], Any]
) -> rx.Component:
    place = {
        "left": _px(arrow.left),
        "top": _px(arrow.top),
        "width": _px(arrow.width),
        "height": f"{ROW - 4}px",
    }
    return rx.cond(
        arrow.number > 0,
        rx.el.button(
            type="button",
            id="arrow-" + arrow.number.to_string(),
            on_click=on_pick(arrow.number),
            aria_label=arrow.about,
            title=arrow.about,
            class_name="a-arrow absolute",
            style=place,
            custom_attrs={"aria-pressed": rx.cond(arrow.number == chosen, "true", "false")},
        ),
    )
