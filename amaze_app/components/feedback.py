"""What the application says: notices, messages, waiting."""

from __future__ import annotations

from typing import Any

import reflex as rx


def messages(notice: rx.Var[str], said: rx.Var[str], dismiss: Any) -> rx.Component:
    """What went wrong (`notice`), and what was done (`said`), until it is taken away."""
    return rx.el.div(
        rx.el.div(
            rx.cond(notice != "", _line(notice, "notice", "bad", "triangle-alert", dismiss)),
            role="alert",
        ),
        rx.el.div(
            rx.cond(said != "", _line(said, "said", "good", "check", dismiss)), role="status"
        ),
        class_name="fixed inset-x-4 bottom-4 z-40 mx-auto max-w-xl",
    )


def _line(text: rx.Var[str], name: str, tone: str, icon: str, dismiss: Any) -> rx.Component:
    return rx.el.div(
        rx.icon(icon, size=16, class_name="shrink-0"),
        rx.el.span(text, class_name="flex-1"),
        rx.el.button(rx.icon("x", size=14), on_click=dismiss, type="button", aria_label="Dismiss"),
        id=name,
        class_name=f"flex items-center gap-3 rounded-lg border border-(--line) bg-(--{tone}-soft) "
        f"px-4 py-3 text-sm text-(--{tone}) shadow-lg",
    )


def skeleton(rows: int = 5) -> rx.Component:
    """In the place of a table that has not come yet, as high as a row each."""
    return rx.el.div(
        *(rx.el.div(class_name="a-skeleton mx-4 my-3 h-5") for _ in range(rows)),
        aria_busy="true",
        aria_label="Loading",
        role="status",
        class_name="py-2",
    )


def live_state(trouble: rx.Var[str]) -> rx.Component:
    """Whether what is shown follows what happens."""
    return rx.el.span(
        rx.cond(trouble == "", "live", "not live"),
        title=rx.cond(trouble == "", "Changes come within a second", trouble),
        id="live",
        class_name="a-badge",
        custom_attrs={"data-tone": rx.cond(trouble == "", "good", "bad")},
    )
