"""The steps of a graph as a list, and what can be added: the canvas for the keyboard."""

from __future__ import annotations

from typing import Any

import reflex as rx

from amaze_app.components.elements import badge, button, section
from amaze_app.components.forms import choice, field, text_input
from amaze_app.policy_drawing import Node
from amaze_app.policy_graph import CALLEE_MAX, KINDS
from amaze_app.policy_palette import Callee

_ICONS = {"tool": "wrench", "agent": "bot", "llm": "sparkles"}


def palette(state: Any) -> rx.Component:
    """What a step could call: a click adds it."""

    def offered(one: rx.Var[Callee]) -> rx.Component:
        return rx.el.li(
            rx.el.button(
                _icon(one.kind),
                rx.el.span(one.name, class_name="min-w-0 flex-1 truncate text-left"),
                rx.icon("plus", size=14),
                on_click=state.add_step(state.agent, one.kind, one.name),
                type="button",
                title=one.name,
                aria_label="Add " + one.kind + " " + one.name,
                class_name="a-callee",
            ),
            key=one.kind + one.name,
        )

    return section(
        "Add a step",
        rx.el.div(
            rx.el.input(
                type="search",
                placeholder="Find a tool, agent, LLM",
                aria_label="Find what a step can call",
                auto_complete="off",
                on_change=state.find.debounce(200),
                max_length=100,
                class_name="a-input mb-2",
            ),
            rx.el.ul(
                rx.foreach(state.callees, offered),
                class_name="max-h-60 overflow-y-auto",
                id="callees",
            ),
            rx.cond(
                state.callees.length() == 0,
                rx.el.p("Nothing that is registered is called so.", class_name="text-xs a-dim"),
            ),
            rx.cond(
                state.callees_more > 0,
                rx.el.p("and ", state.callees_more, " more", class_name="mt-1 text-xs a-dim"),
            ),
            rx.el.details(
                rx.el.summary("Something else", class_name="cursor-pointer text-sm a-dim"),
                rx.el.form(
                    field("Type", choice("kind", KINDS), "kind"),
                    field(
                        "Name",
                        text_input("callee", max_length=CALLEE_MAX, required=True),
                        "callee",
                        hint="tool or server/tool, an agent's id, provider or provider/pattern",
                    ),
                    button("Add", type="submit"),
                    on_submit=state.add_other(state.agent),
                    reset_on_submit=True,
                    class_name="mt-2",
                ),
                class_name="mt-3",
            ),
            class_name="px-4 pb-4",
        ),
    )


def steps(state: Any) -> rx.Component:
    """Every step; the one that is open can be edited."""
    nodes = state.drawing.nodes
    return section(
        "Steps",
        rx.cond(
            nodes.length() > 0,
            rx.el.ol(
                rx.foreach(nodes, lambda one: _step(state, one)),
                id="steps",
                class_name="max-h-[32rem] overflow-y-auto px-2 pb-3",
            ),
            rx.el.p("None yet: add the first one above.", class_name="px-4 pb-4 text-sm a-dim"),
        ),
    )


def _step(state: Any, one: rx.Var[Node]) -> rx.Component:
    here = one.step_id == state.picked.step_id
    return rx.el.li(
        rx.el.button(
            rx.el.b(one.step_id, class_name="w-6 shrink-0 text-right tabular-nums"),
            _icon(one.kind),
            rx.el.span(
                rx.el.span(one.callee, class_name="block truncate"),
                rx.el.span(
                    one.often, ", then ", one.then, class_name="block truncate text-xs a-dim"
                ),
                class_name="min-w-0 flex-1 text-left",
            ),
            rx.cond(one.start, badge("start", "good")),
            on_click=state.pick(one.step_id),
            type="button",
            class_name="a-callee",
            custom_attrs={"aria-expanded": rx.cond(here, "true", "false")},
        ),
        rx.cond(
            one.mark != "", rx.el.p(one.mark, class_name="pr-2 pb-1 pl-16 text-xs text-(--bad)")
        ),
        rx.cond(here & state.can_edit, _edited(state)),
        key=one.step_id,
    )


def _edited(state: Any) -> rx.Component:
    """The step that is open in the list."""
    agent, one = state.agent, state.picked
    name = one.step_id.to_string()
    return rx.el.div(
        rx.el.form(
            rx.el.div(
                # without ids: those of the form above are the same names
                rx.el.select(
                    *(rx.el.option(kind, value=kind) for kind in KINDS),
                    name="kind",
                    default_value=one.kind,
                    aria_label="Calls a",
                    class_name="a-input",
                ),
                rx.el.input(
                    name="callee",
                    default_value=one.callee,
                    max_length=CALLEE_MAX,
                    required=True,
                    auto_complete="off",
                    aria_label="Callee",
                    class_name="a-input",
                ),
                class_name="grid grid-cols-[6rem_1fr] gap-2",
            ),
            rx.el.label(
                "Runs in a turn, at most (0: any number)",
                rx.el.input(
                    name="runs",
                    type="number",
                    min=0,
                    default_value=one.runs,
                    class_name="a-input mt-1",
                ),
                class_name="block text-xs a-dim",
            ),
            button("Apply", type="submit"),
            key=name + one.kind + one.callee + one.runs.to_string(),
            on_submit=lambda form: state.change_step(agent, one.step_id, form),
            class_name="grid gap-2",
        ),
        rx.el.p("Then", class_name="mt-3 mb-1 text-xs a-dim"),
        rx.el.ul(
            rx.foreach(one.following, lambda to: _way(state, to)),
            class_name="flex flex-wrap gap-2",
        ),
        rx.cond(
            one.others.length() > 0,
            rx.el.form(
                rx.el.select(
                    rx.foreach(
                        one.others,
                        lambda to: rx.el.option(
                            to.step_id.to_string() + ": " + to.callee,
                            value=to.step_id.to_string(),
                            key=to.step_id,
                        ),
                    ),
                    name="target",
                    aria_label="Step that may follow",
                    class_name="a-input min-w-0",
                ),
                button("Connect", type="submit"),
                on_submit=lambda form: state.join_chosen(agent, one.step_id, form),
                class_name="mt-2 grid grid-cols-[1fr_auto] gap-2",
            ),
        ),
        rx.el.div(
            rx.cond(~one.start, button("Make it the start", state.begin_with(agent, one.step_id))),
            button("Delete", state.remove_steps(agent, "[" + name + "]", "[]"), "bad"),
            class_name="mt-3 flex flex-wrap gap-2",
        ),
        class_name="mx-2 mb-3 rounded-lg border border-(--line) p-3",
    )


def _way(state: Any, to: rx.Var[int]) -> rx.Component:
    pair = "[[" + state.picked.step_id.to_string() + "," + to.to_string() + "]]"
    return rx.el.li(
        rx.el.button(
            "step ",
            to,
            rx.icon("x", size=12),
            on_click=state.remove_steps(state.agent, "[]", pair),
            type="button",
            aria_label="Disconnect step " + to.to_string(),
            class_name="a-pill items-center",
        ),
        key=to,
    )


def _icon(kind: rx.Var[str]) -> rx.Component:
    icons = ((name, rx.icon(icon, size=14, class_name="shrink-0")) for name, icon in _ICONS.items())
    return rx.match(kind, *icons, rx.fragment())
