"""Traces as the rows of a table, on every page that has some."""

from __future__ import annotations

from dataclasses import dataclass

import reflex as rx

from amaze_app import format, routes
from amaze_app.components.elements import badge
from amaze_app.components.table import Column, cell
from amaze_app.components.time import time_text
from amaze_app.gateway.traces import TraceSummary

COLUMNS = (
    "Started",
    "Agents and what they called",
    "Verdict",
    Column("Calls", end=True),
    Column("Tokens in / out", end=True),
    Column("Cost", end=True),
    Column("Duration", end=True),
)


@dataclass(frozen=True)
class TraceRow:
    """A trace as the table shows it; `denied`, `alerts` and `errors` are "" for none."""

    trace_id: str
    started_ms: int
    agents: str
    what: str
    calls: str
    tokens: str
    cost: str
    duration: str
    denied: str
    alerts: str
    errors: str
    href: str


def trace_row(trace: TraceSummary) -> TraceRow:
    """Of what the gateway knows."""
    return TraceRow(
        trace_id=trace.trace_id,
        started_ms=trace.started_ms,
        agents=format.some(trace.agents),
        what=format.some(trace.what, 3),
        calls=format.count(trace.calls),
        tokens=format.tokens(trace.tokens_in, trace.tokens_out),
        cost=format.cost(trace.cost_microusd),
        duration=format.duration(trace.ended_ms - trace.started_ms),
        denied=f"{trace.denied} denied" if trace.denied else "",
        alerts=_some(trace.alerts, "alert"),
        errors=_some(trace.errors, "error"),
        href=routes.trace(trace.trace_id),
    )


def _some(number: int, thing: str) -> str:
    return f"{number} {thing}{'s' if number > 1 else ''}" if number else ""


def trace_line(row: rx.Var[TraceRow]) -> rx.Component:
    """A row that opens its trace."""
    return rx.el.tr(
        cell(
            rx.link(
                time_text(row.started_ms, seconds=True),
                href=row.href,
                underline="none",
                class_name="a-link a-whole",
            )
        ),
        cell(
            rx.el.div(row.agents, class_name="max-w-64 truncate 2xl:max-w-xl", title=row.agents),
            rx.el.div(
                row.what, class_name="max-w-64 truncate text-xs a-dim 2xl:max-w-xl", title=row.what
            ),
        ),
        cell(
            rx.el.div(
                rx.cond(row.denied != "", badge(row.denied, "bad")),
                rx.cond(row.alerts != "", badge(row.alerts, "warn")),
                rx.cond(row.errors != "", badge(row.errors, "error")),
                rx.cond(row.denied + row.alerts + row.errors == "", badge("allowed")),
                class_name="flex flex-wrap gap-1",
            )
        ),
        cell(row.calls, end=True),
        cell(row.tokens, end=True),
        cell(row.cost, end=True),
        cell(row.duration, end=True),
        key=row.trace_id,
        class_name="a-open",
        custom_attrs={"data-trace": row.trace_id},
    )
