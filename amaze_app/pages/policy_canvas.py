"""The graph editor: the canvas, and beside it all that it does for the keyboard."""

from __future__ import annotations

from typing import Any

import reflex as rx

from amaze_app.components.elements import button, card, empty, link
from amaze_app.components.flow import flow
from amaze_app.pages.policy_steps import palette, steps
from amaze_app.policy_drawing import FLEXIBLE, STRICT


def graph_tab(state: Any) -> rx.Component:
    """Of the state that has `GraphActs`."""
    drawing = state.drawing
    return rx.el.div(
        _modes(state),
        rx.cond(
            drawing.trouble != "",
            _not_drawn(drawing.trouble),
            rx.cond(drawing.strict, _editor(state), _flexible(state)),
        ),
        id="graph",
    )


def _modes(state: Any) -> rx.Component:
    strict, agent = state.drawing.strict, state.agent

    def mode(name: str, text: str, chosen: Any) -> rx.Component:
        return rx.el.button(
            text,
            on_click=state.set_mode(agent, name),
            disabled=~state.can_edit | chosen,
            type="button",
            class_name="a-pill",
            custom_attrs={"aria-pressed": chosen, "aria-current": rx.cond(chosen, "true", "false")},
        )

    return rx.el.div(
        rx.el.div(
            mode(FLEXIBLE, "Flexible", ~strict),
            mode(STRICT, "Strict", strict),
            role="group",
            aria_label="Mode",
            class_name="flex gap-2",
        ),
        rx.el.p(
            rx.cond(
                strict,
                "The calls of a turn come in the order of this graph; others are refused.",
                "What the lists allow, in any order.",
            ),
            class_name="min-w-0 flex-1 text-sm a-dim",
        ),
        rx.cond(
            strict & state.can_edit,
            rx.el.div(
                button("Arrange", state.arrange(agent)),
                button("Undo", state.undo(agent), disabled=~state.drawing.can_undo),
                button("Redo", state.redo(agent), disabled=~state.drawing.can_redo),
                class_name="flex gap-2",
            ),
            rx.cond(state.can_edit & state.drawing.can_undo, button("Undo", state.undo(agent))),
        ),
        class_name="mb-4 flex flex-wrap items-center gap-3",
    )


def _not_drawn(trouble: Any) -> rx.Component:
    return card(
        empty(
            "file-warning",
            "This draft cannot be drawn",
            rx.el.p(trouble),
            link("Mend it in the YAML", "?tab=yaml"),
        ),
        class_name="",
    )


def _flexible(state: Any) -> rx.Component:
    return card(
        empty(
            "shuffle",
            "Flexible: there is no graph",
            rx.el.p(
                "Tools and agents of the lists may be called in any order, as often as the "
                "limits of a turn allow.",
                class_name="max-w-xl",
            ),
            link("See the lists", "?tab=form"),
            rx.el.p(
                "Strict: a graph fixes which call may come first, which may follow, and how often "
                "each may run. Calls of a type that no step has are outside of it, and follow the "
                "lists. The two change together: going back to flexible takes the graph away.",
                class_name="max-w-xl",
            ),
            rx.cond(
                state.can_edit,
                button("Draw a graph", state.set_mode(state.agent, STRICT), "accent"),
            ),
        ),
        class_name="",
    )


def _editor(state: Any) -> rx.Component:
    agent, drawing = state.agent, state.drawing
    return rx.el.div(
        rx.el.div(
            rx.cond(
                drawing.notes.length() > 0,
                rx.el.ul(
                    rx.foreach(drawing.notes, lambda note: rx.el.li(note)),
                    role="status",
                    id="graph-notes",
                    class_name="mb-3 rounded-lg bg-(--warn-soft) px-4 py-2 text-sm text-(--warn)",
                ),
            ),
            card(
                flow(
                    steps=drawing.nodes,
                    ways=drawing.ways,
                    picked=state.picked.step_id,
                    fit=state.fit,
                    editable=state.can_edit,
                    on_joined=lambda source, target: state.join(agent, source, target),
                    on_moved=lambda places: state.move_steps(agent, places),
                    on_removed=lambda steps, ways: state.remove_steps(agent, steps, ways),
                    on_picked=lambda step_id: state.follow(step_id),
                    on_undo=state.undo(agent),
                    on_redo=state.redo(agent),
                    key=agent,
                    id="canvas",
                    custom_attrs={"role": "group", "aria-label": "Execution graph"},
                ),
                class_name="overflow-hidden",
            ),
            rx.cond(
                state.can_edit,
                rx.el.p(
                    "Drag from the dot below a step to the dot above the one that may follow. "
                    "Delete removes what is selected, the arrow keys move it. The list does all "
                    "of this without a mouse.",
                    class_name="mt-2 text-xs a-dim",
                ),
            ),
            class_name="min-w-0",
        ),
        rx.el.div(
            rx.cond(state.can_edit, palette(state)),
            steps(state),
            class_name="grid min-w-0 content-start gap-4",
        ),
        class_name="grid items-start gap-4 lg:grid-cols-[minmax(0,1fr)_20rem]",
    )
