"""The draft of a policy as text, and what is wrong with it."""

from __future__ import annotations

import reflex as rx

from amaze_app.components.editor import editor, go_to
from amaze_app.components.elements import section
from amaze_app.gateway.drafts import MOST_TEXT
from amaze_app.pages.policy_state import PolicyState, RemarkRow

_AREA = "policy-yaml"
_PAUSE_MS = 600


def yaml_tab() -> rx.Component:
    """The editor, and beside it the remarks on its lines."""
    take = PolicyState.take(PolicyState.agent, PolicyState.revision)
    return rx.el.div(
        rx.el.div(
            rx.el.label(
                "YAML or JSON", html_for=_AREA, class_name="mb-1 block text-sm font-medium"
            ),
            editor(
                _AREA,
                PolicyState.draft,
                PolicyState.revision,
                PolicyState.errors,
                on_change=take.debounce(_PAUSE_MS),
                on_blur=take,
                read_only=~PolicyState.can_edit,
                max_length=MOST_TEXT,
            ),
            rx.el.p(
                "A change in the form or in the graph writes the text anew, without its comments.",
                class_name="mt-1 text-xs a-dim",
            ),
            class_name="min-w-0",
        ),
        remarks(),
        class_name="grid items-start gap-4 xl:grid-cols-[minmax(0,2fr)_minmax(0,1fr)]",
    )


def remarks() -> rx.Component:
    """Errors and warnings, each with the way to its line."""
    nothing = (PolicyState.errors.length() == 0) & (PolicyState.warnings.length() == 0)
    return section(
        "Check",
        rx.el.div(
            rx.cond(
                nothing,
                rx.el.p("Nothing is wrong with it.", class_name="text-sm text-(--good)"),
            ),
            _list("Errors", PolicyState.errors, "bad"),
            _list("Worth a second look", PolicyState.warnings, "warn"),
            class_name="min-h-8 px-4 pb-4",
            aria_live="polite",
            id="remarks",
        ),
    )


def _list(title: str, rows: rx.Var[list[RemarkRow]], tone: str) -> rx.Component:
    return rx.cond(
        rows.length() > 0,
        rx.fragment(
            rx.el.h3(title, class_name=f"mt-1 mb-2 text-xs font-semibold text-(--{tone})"),
            rx.el.ul(rx.foreach(rows, _remark), class_name="mb-3 space-y-2 text-sm"),
        ),
    )


def _remark(row: rx.Var[RemarkRow]) -> rx.Component:
    return rx.el.li(
        rx.cond(row.line > 0, go_to(_AREA, row.line)),
        rx.el.span(
            rx.cond(row.field != "", rx.el.code(row.field + ": ", class_name="text-xs")),
            row.message,
            class_name="min-w-0 wrap-anywhere",
        ),
        class_name="flex items-baseline gap-3",
    )
