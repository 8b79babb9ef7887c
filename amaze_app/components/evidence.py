"""What an unfolded call shows. `amaze_app.evidence` works it out."""

from __future__ import annotations

from typing import Any

import reflex as rx

from amaze_app.components.code import json_view
from amaze_app.components.elements import badge, button, link
from amaze_app.components.time import time_text
from amaze_app.evidence import Body, Evidence, Fact, LimitRow

_HEADS = ("Limit", "Before", "After", "Left", "Maximum")


def evidence_view(shown: rx.Var[Evidence], on_all: Any) -> rx.Component:
    """The decision, the limits, the facts and both bodies; `on_all` asks for all of the bodies."""
    return rx.el.div(
        rx.el.div(
            _part("Decision", _decision(shown)),
            rx.cond(shown.limits.length() > 0, _part("Limits", _limits(shown.limits))),
            _part("Facts", rx.el.dl(rx.foreach(shown.facts, _fact), class_name="space-y-1")),
            class_name="min-w-0 space-y-4",
        ),
        rx.el.div(
            _body("Input", shown.input, on_all),
            _body("Output", shown.output, on_all),
            class_name="min-w-0 space-y-4",
        ),
        class_name="a-details grid gap-6 py-2 xl:grid-cols-2",
    )


def _part(title: str, *children: rx.Component) -> rx.Component:
    return rx.el.div(
        rx.el.h3(title, class_name="mb-2 text-xs font-semibold a-dim"),
        *children,
        class_name="min-w-0 text-sm",
    )


def _decision(shown: rx.Var[Evidence]) -> rx.Component:
    return rx.el.div(
        rx.el.div(
            badge(shown.verdict),
            rx.el.code(shown.reason, class_name="text-xs"),
            rx.el.span(time_text(shown.ts, seconds=True), class_name="ml-auto text-xs a-dim"),
            class_name="flex items-center gap-2",
        ),
        rx.cond(shown.rule != "", rx.el.p("Rule: ", shown.rule)),
        rx.cond(shown.advice != "", rx.el.p("What to do: ", shown.advice, class_name="a-dim")),
        rx.el.p(
            "Policy: ",
            rx.cond(
                shown.version_href != "", link(shown.version, shown.version_href), shown.version
            ),
        ),
        class_name="space-y-1",
    )


def _limits(rows: rx.Var[list[LimitRow]]) -> rx.Component:
    heads = [
        rx.el.th(one, scope="col", class_name="a-end" if place else "")
        for place, one in enumerate(_HEADS)
    ]
    return rx.el.div(
        rx.el.table(
            rx.el.thead(rx.el.tr(*heads)),
            rx.el.tbody(rx.foreach(rows, _limit)),
            class_name="a-table",
            aria_label="Limits before and after",
        ),
        class_name="a-scroll",
    )


def _limit(row: rx.Var[LimitRow]) -> rx.Component:
    numbers = (row.before, row.after, row.left, row.maximum)
    return rx.el.tr(
        rx.el.td(row.name), *(rx.el.td(one, class_name="a-end") for one in numbers), key=row.name
    )


def _fact(fact: rx.Var[Fact]) -> rx.Component:
    value = rx.cond(fact.href != "", link(fact.value, fact.href), rx.el.span(fact.value))
    return rx.el.div(
        rx.el.dt(fact.name, class_name="w-36 shrink-0 a-dim"),
        rx.el.dd(value, class_name="min-w-0 break-all"),
        class_name="flex gap-3 text-xs",
        key=fact.name,
    )


def _body(title: str, body: rx.Var[Body], on_all: Any) -> rx.Component:
    return rx.el.div(
        rx.el.div(
            rx.el.h3(title, class_name="text-xs font-semibold a-dim"),
            rx.el.span(body.about, class_name="text-xs a-dim"),
            rx.cond(body.more, button(f"Show all of the {title.lower()}", on_all)),
            class_name="mb-2 flex min-h-8 flex-wrap items-center gap-3",
        ),
        rx.cond(
            body.text != "",
            rx.el.div(
                json_view(body.text),
                class_name="a-body",
                tab_index=0,
                role="region",
                aria_label=title,
            ),
        ),
    )
