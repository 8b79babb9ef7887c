"""The traces: what the agents did, newest first, as it happens."""

from __future__ import annotations

from typing import Any

import reflex as rx

from amaze_app import routes
from amaze_app.components.elements import button, card, empty, link
from amaze_app.components.filters import filter_bar, pill
from amaze_app.components.table import data_table, pager
from amaze_app.components.time import time_input
from amaze_app.filtering import Pill
from amaze_app.gateway.traces import REASONS
from amaze_app.pages.trace_rows import COLUMNS, trace_line
from amaze_app.pages.traces_state import KINDS, TracesState
from amaze_app.shell import page

_NARROW, _WIDE = "lg:col-span-2", "lg:col-span-3"
_MOMENT = f"min-w-0 col-span-2 {_WIDE}"


@rx.page(route=routes.TRACES, title="Traces · aMaze", on_load=TracesState.load)
def traces() -> rx.Component:
    """The page."""
    return page(
        "Traces",
        rx.el.div(
            _form(),
            rx.el.div(
                _pills("Verdict", TracesState.verdicts),
                _pills("Time", TracesState.periods),
                rx.el.div(
                    rx.cond(
                        TracesState.filtered,
                        rx.link("Clear", href=routes.TRACES, class_name="a-button"),
                    ),
                    button("Filter", tone="accent", type="submit", form="trace-filter"),
                    class_name="ml-auto flex gap-2",
                ),
                class_name="flex min-h-8 flex-wrap items-center gap-x-6 gap-y-2",
            ),
            class_name="mb-4 space-y-3",
        ),
        rx.cond(
            TracesState.newer,
            rx.el.div(
                button("Newer traces: show them", TracesState.show_newer, "accent", id="newer"),
                class_name="mb-4 flex justify-center",
                role="status",
            ),
        ),
        card(
            data_table(
                COLUMNS,
                TracesState.rows,
                trace_line,
                loaded=TracesState.loaded,
                nothing=_nothing(),
                label="Traces",
            ),
            pager(TracesState.first_href, TracesState.next_href),
            class_name="",
        ),
        beside=pill(
            rx.cond(TracesState.tail, "Live tail: on", "Live tail: off"),
            TracesState.tail_href,
            TracesState.tail,
        ),
    )


def _pills(title: str, shown: rx.Var[list[Pill]]) -> rx.Component:
    return filter_bar(
        rx.el.span(title, class_name="text-xs a-dim"),
        rx.foreach(shown, lambda one: pill(one.text, one.href, one.chosen)),
    )


def _form() -> rx.Component:
    """Each field is made anew when the URL says something else of it; a draft in it stays else."""
    return rx.el.form(
        _text("agent", "Agent", list="agents-known"),
        _choice("kind", "Any kind", KINDS),
        _text("reason", "Reason", list="reasons-known"),
        _text("model", "Model", class_name=_WIDE),
        _text("text", "Text in input or output", class_name=_WIDE),
        _text("tool", "Tool"),
        _text("target", "Target"),
        _text("status", "HTTP status", pattern="[1-5][0-9][0-9]"),
        rx.el.div(time_input("since", TracesState.since_ms, "From"), class_name=_MOMENT),
        rx.el.div(time_input("until", TracesState.until_ms, "Until"), class_name=_MOMENT),
        rx.el.datalist(
            rx.foreach(TracesState.agents, lambda one: rx.el.option(value=one)), id="agents-known"
        ),
        rx.el.datalist(*(rx.el.option(value=one) for one in REASONS), id="reasons-known"),
        on_submit=TracesState.apply,
        id="trace-filter",
        class_name="grid grid-cols-2 gap-2 lg:grid-cols-12",
        role="search",
        aria_label="Filter",
    )


def _text(name: str, label: str, class_name: str = _NARROW, **props: Any) -> rx.Component:
    value = TracesState.query.get(name, "")
    return rx.el.input(
        name=name,
        default_value=value,
        key=f"{name} " + value.to(str),
        placeholder=label,
        aria_label=label,
        auto_complete="off",
        max_length=200,
        class_name=f"a-input {class_name}",
        **props,
    )


def _choice(name: str, nothing: str, options: tuple[str, ...]) -> rx.Component:
    value = TracesState.query.get(name, "")
    return rx.el.select(
        rx.el.option(nothing, value=""),
        *(rx.el.option(one, value=one) for one in options),
        name=name,
        default_value=value,
        key=f"{name} " + value.to(str),
        aria_label="Kind",
        class_name=f"a-input {_NARROW}",
    )


def _nothing() -> rx.Component:
    return rx.cond(
        TracesState.next_href != "",
        empty(
            "search",
            "Nothing yet, as far as was looked",
            rx.el.p("What was asked for is rare: older calls may have it."),
            link("Look further back", TracesState.next_href),
        ),
        rx.cond(
            TracesState.filtered,
            empty(
                "list-filter",
                "No trace has this",
                rx.el.p("Take a filter away, or choose more time."),
                link("Show all traces", routes.TRACES),
            ),
            empty(
                "waypoints",
                "No call has been made yet",
                rx.el.p("Once an agent's calls go through the proxy, they show up here."),
                link("Add an agent", routes.AGENTS),
            ),
        ),
    )
