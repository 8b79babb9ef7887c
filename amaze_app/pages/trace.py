"""One trace: who spoke to whom, in order, and the evidence of each call."""

from __future__ import annotations

from typing import Any

import reflex as rx

from amaze_app import diagram, routes
from amaze_app.components.elements import badge, button, card, empty, kpi, link, section
from amaze_app.components.evidence import evidence_view
from amaze_app.components.feedback import skeleton
from amaze_app.components.sequence import follow, sequence_diagram
from amaze_app.components.table import Column, cell, data_table
from amaze_app.components.time import time_text
from amaze_app.pages.trace_state import ALL, StepRow, TraceState
from amaze_app.shell import page

_COLUMNS = 9


@rx.page(route=routes.TRACE, title="Trace · aMaze", on_load=TraceState.load)
def trace() -> rx.Component:
    """The page."""
    return page(
        "Traces",
        rx.cond(TraceState.missing, _missing(), _trace()),
        follow(TraceState.place),
        heading=rx.el.span(
            "Trace ", rx.el.code(TraceState.trace, class_name="text-sm break-all sm:text-base")
        ),
        beside=rx.el.div(
            rx.cond(
                TraceState.summary.started_ms > 0,
                rx.el.span(
                    time_text(TraceState.summary.started_ms, seconds=True),
                    class_name="text-sm a-dim",
                ),
            ),
            rx.cond(TraceState.summary.verdict != "", badge(TraceState.summary.verdict)),
            rx.cond(
                TraceState.jaeger != "",
                rx.el.a(
                    "Open in Jaeger",
                    href=TraceState.jaeger,
                    target="_blank",
                    rel="noopener noreferrer",
                    class_name="a-button",
                ),
            ),
            rx.link("All traces", href=routes.TRACES, class_name="a-button"),
            class_name="flex flex-wrap items-center gap-2",
        ),
    )


def _trace() -> rx.Component:
    shown = TraceState.summary
    return rx.fragment(
        rx.el.div(
            kpi("Calls", shown.calls, shown.agents),
            kpi("Denials", shown.denied, tone="bad"),
            kpi("Tokens in / out", shown.tokens),
            kpi("Cost", shown.cost),
            kpi("Duration", shown.duration),
            class_name="mb-4 grid grid-cols-2 gap-4 md:grid-cols-3 xl:grid-cols-5",
        ),
        rx.cond(
            TraceState.loaded,
            rx.fragment(_diagram(), _steps()),
            card(skeleton(8), class_name=""),
        ),
    )


def _diagram() -> rx.Component:
    legend = rx.el.div(
        *(_sample(text, color) for text, color in diagram.LEGEND),
        class_name="flex flex-wrap gap-3 text-xs a-dim",
    )
    return rx.el.div(
        section(
            "Sequence",
            sequence_diagram(TraceState.drawing, TraceState.chosen, TraceState.pick),
            beside=legend,
        ),
        class_name="sticky top-0 z-20 mb-4",
    )


def _sample(text: str, color: str) -> rx.Component:
    return rx.el.span(
        rx.el.svg(
            rx.el.line(
                x1="0",
                x2="20",
                y1="4",
                y2="4",
                stroke=color,
                stroke_width="2",
                stroke_dasharray=diagram.dash(text),
            ),
            width="20",
            height="8",
            custom_attrs={"aria-hidden": "true"},
        ),
        text,
        class_name="flex items-center gap-1",
    )


def _steps() -> rx.Component:
    return section(
        "Calls",
        data_table(
            (
                "#",
                "After",
                "From",
                "To",
                "What",
                "Verdict",
                Column("Latency", end=True),
                Column("Tokens in / out", end=True),
                Column("Cost", end=True),
            ),
            TraceState.rows,
            _step,
            loaded=TraceState.loaded,
            nothing=rx.fragment(),
            label="Calls",
        ),
        rx.cond(
            TraceState.all_steps != "",
            rx.el.div(button(TraceState.all_steps, TraceState.show_all), class_name="p-3"),
        ),
        rx.cond(
            TraceState.cut,
            rx.el.p(
                f"This trace has more than {ALL} calls: these are the first. The others are in "
                "the list of traces by time, and in the export.",
                class_name="p-3 text-sm a-dim",
            ),
        ),
    )


def _step(row: rx.Var[StepRow]) -> rx.Component:
    open_ = TraceState.unfolded.contains(row.key)
    number = row.number.to_string()
    return rx.fragment(
        rx.el.tr(
            cell(
                rx.el.button(
                    rx.icon("chevron-right", size=14, class_name=rx.cond(open_, "rotate-90", "")),
                    number,
                    type="button",
                    id="step-" + number,
                    class_name="a-step flex items-center gap-1 tabular-nums",
                    aria_label="Call " + number,
                    custom_attrs={"aria-expanded": rx.cond(open_, "true", "false")},
                )
            ),
            cell(row.after, class_name="whitespace-nowrap tabular-nums"),
            cell(
                rx.el.span(row.came_from, style={"padding_left": row.indent}),
                class_name="whitespace-nowrap",
            ),
            cell(row.went_to, class_name="whitespace-nowrap"),
            cell(
                rx.el.span(
                    row.label, class_name="block max-w-56 truncate 2xl:max-w-xl", title=row.label
                )
            ),
            cell(
                rx.el.div(
                    badge(row.verdict),
                    rx.el.span(row.reason, class_name="text-xs a-dim"),
                    class_name="flex flex-wrap items-center gap-2",
                )
            ),
            cell(row.latency, end=True),
            cell(row.tokens, end=True),
            cell(row.cost, end=True),
            on_click=TraceState.toggle(row.number),
            class_name="a-step",
            custom_attrs={
                "data-step": row.number,
                "data-chosen": rx.cond(TraceState.chosen == row.number, "true", "false"),
            },
        ),
        rx.cond(
            open_,
            rx.el.tr(
                rx.el.td(
                    evidence_view(TraceState.details[row.key], TraceState.show_bodies(row.key)),
                    col_span=_COLUMNS,
                ),
                custom_attrs={"data-details": row.number},
            ),
        ),
        key=row.key,
    )


def _missing() -> Any:
    return card(
        empty(
            "waypoints",
            "No such trace, or none that you may see",
            rx.el.p(
                "Calls are shown within a second; old ones go when their time of keeping ends."
            ),
            link("All traces", routes.TRACES),
        ),
        class_name="",
    )
