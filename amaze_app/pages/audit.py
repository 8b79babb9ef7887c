"""The evidence: who did what, whether it is whole, and a copy of it to take away."""

from __future__ import annotations

import reflex as rx

from amaze_app import routes
from amaze_app.components.code import json_view
from amaze_app.components.elements import badge, button, card, empty, link, section
from amaze_app.components.filters import filter_bar, pill
from amaze_app.components.native_form import native_form, native_link
from amaze_app.components.table import cell, data_table, line, pager
from amaze_app.components.time import time_text
from amaze_app.gateway.audit import ACTS, STRANGERS
from amaze_app.pages import audit_check
from amaze_app.pages.audit_check import CheckState
from amaze_app.pages.audit_state import EVERYTHING, AuditState, RecordRow
from amaze_app.shell import page
from amaze_app.state import PageState

_WHOSE = ((ACTS, "what people did"), (STRANGERS, "unknown callers"), (EVERYTHING, "all records"))
_FIELDS = (
    ("who", "Who", "admin"),
    ("what", "What", "policies.save"),
    ("target", "Target", "policy/…"),
    ("agent", "Whose record", "an agent's id"),
)


@rx.page(route=routes.AUDIT, title="Audit · aMaze", on_load=[AuditState.load, CheckState.load])
def audit() -> rx.Component:
    """The page."""
    return page(
        "Audit",
        rx.cond(
            PageState.can_read_all | (PageState.role == ""),
            rx.fragment(
                audit_check.verdict(),
                rx.el.div(filter_bar(*map(_whose, _WHOSE)), class_name="mt-5 mb-3"),
                _search(),
                rx.cond(AuditState.opened != "", _record()),
                card(
                    data_table(
                        ("When", "Who", "What", "Target", "Outcome", "From"),
                        AuditState.rows,
                        _line,
                        loaded=AuditState.loaded,
                        nothing=_nothing(),
                        label="Records",
                    ),
                    pager(AuditState.first_href, AuditState.next_href),
                    class_name="",
                ),
                # below what grows: it appears when its place is known
                rx.cond(AuditState.loaded, audit_check.checkpoints()),
            ),
            card(
                empty(
                    "shield",
                    "The audit is for viewers and admins",
                    rx.el.p("The calls of your own agents are under Traces."),
                )
            ),
        ),
        beside=rx.cond(
            PageState.can_read_all,
            native_link(
                "Export",
                href=AuditState.export_href,
                download="amaze-evidence.zip",
                class_name="a-button",
                title="A ZIP with all that proves them; narrowed by agent and days only",
                id="export",
            ),
        ),
    )


def _whose(item: tuple[str, str]) -> rx.Component:
    agent, text = item
    chosen = AuditState.asked.get("agent", "") == agent
    return pill(text, routes.with_query(routes.AUDIT, agent=agent), chosen)


def _search() -> rx.Component:
    def box(name: str, label: str, hint: str = "", kind: str = "search") -> rx.Component:
        value = AuditState.asked.get(name, "")
        return rx.el.label(
            rx.el.span(label, class_name="mb-1 block text-xs a-dim"),
            rx.el.input(
                type=kind,
                name=name,
                default_value=value,
                key=value,
                placeholder=hint,
                max_length=200,
                auto_complete="off",
                class_name="a-input",
            ),
            class_name="w-full sm:w-34",
        )

    return native_form(
        *(box(*one) for one in _FIELDS),
        box("since", "From day (UTC)", kind="date"),
        box("until", "To day (UTC)", kind="date"),
        button("Search", tone="accent", type="submit"),
        action=routes.AUDIT,
        method="get",
        role="search",
        class_name="mb-4 flex flex-wrap items-end gap-3",
    )


def _line(row: rx.Var[RecordRow]) -> rx.Component:
    return line(
        cell(link(time_text(row.ts, seconds=True), row.href)),
        cell(rx.cond(row.who != "", row.who, "–")),
        cell(rx.el.code(row.what)),
        cell(row.target, class_name="break-all"),
        cell(badge(row.outcome, row.tone)),
        cell(row.origin, class_name="text-xs a-dim"),
        key=row.key,
        record=row.key,
    )


def _record() -> rx.Component:
    def body(title: str, text: rx.Var[str]) -> rx.Component:
        return rx.cond(
            text != "",
            rx.el.div(
                rx.el.h3(title, class_name="mb-1 text-xs font-semibold"),
                json_view(text),
                class_name="min-w-0 overflow-x-auto",
            ),
        )

    back = routes.with_query(routes.AUDIT, agent=ACTS)
    return rx.el.div(
        section(
            "Record",
            rx.el.dl(
                rx.foreach(
                    AuditState.facts,
                    lambda fact: rx.el.div(
                        rx.el.dt(fact[0], class_name="text-xs a-dim"),
                        rx.el.dd(fact[1], class_name="text-sm break-all"),
                    ),
                ),
                class_name="grid gap-3 px-4 pb-4 sm:grid-cols-2 lg:grid-cols-4",
            ),
            rx.el.div(
                body("Before, or sent", AuditState.before),
                body("After, or answered", AuditState.after),
                class_name="grid gap-4 px-4 pb-4 lg:grid-cols-2",
            ),
            beside=link("Close", rx.cond(AuditState.first_href != "", AuditState.first_href, back)),
        ),
        id="record",
        class_name="mb-4",
    )


def _nothing() -> rx.Component:
    return rx.cond(
        AuditState.next_href != "",
        empty(
            "search",
            "Not among the newest records",
            link("Look further back", AuditState.next_href),
        ),
        empty(
            "scroll-text",
            "No such record",
            rx.el.p("A record is here a second after it was written."),
            link("Show what people did", routes.AUDIT),
        ),
    )
