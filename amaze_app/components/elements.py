"""Small pieces in the look of the application. Its classes follow light and dark by themselves."""

from __future__ import annotations

import reflex as rx

CARD = "rounded-xl border border-(--gray-5) bg-(--color-panel-solid)"
DIM = "text-(--gray-11)"
CODE = (
    "block overflow-x-auto whitespace-pre rounded-lg bg-(--gray-3) px-3 py-2 "
    "font-mono text-xs text-(--gray-12)"
)


def empty(icon: str, title: str, *what_next: rx.Component) -> rx.Component:
    """What stands in the place of a list that has nothing in it: what it is for, what to do."""
    return rx.el.div(
        rx.icon(icon, size=28, class_name=DIM),
        rx.el.h2(title, class_name="text-base font-medium text-(--gray-12)"),
        *what_next,
        class_name=f"{CARD} flex flex-col items-center gap-3 px-6 py-14 text-center text-sm {DIM}",
    )


def snippet(text: rx.Var[str] | str, name: str) -> rx.Component:
    """A command to be copied; `name` is the id of the button."""
    return rx.el.div(
        rx.el.code(text, class_name=f"{CODE} min-w-0 flex-1 text-left"),
        rx.icon_button(
            rx.icon("copy", size=14),
            on_click=rx.set_clipboard(text),
            variant="soft",
            size="2",
            id=name,
            aria_label="Copy",
            title="Copy",
        ),
        class_name="flex w-full items-center gap-2",
    )


def notice(text: rx.Var[str], dismiss: rx.EventHandler) -> rx.Component:
    """What went wrong, until it is taken away."""
    return rx.cond(
        text != "",
        rx.el.div(
            rx.icon("triangle-alert", size=16, class_name="shrink-0"),
            rx.el.span(text, class_name="flex-1"),
            rx.icon_button(
                rx.icon("x", size=14),
                on_click=dismiss,
                variant="ghost",
                color_scheme="red",
                size="1",
                aria_label="Dismiss",
            ),
            role="alert",
            id="notice",
            class_name="mb-4 flex items-center gap-3 rounded-lg bg-(--red-3) px-4 py-3 text-sm "
            "text-(--red-11)",
        ),
    )


def pill(text: rx.Var[str] | str, href: str, chosen: rx.Var[bool]) -> rx.Component:
    """A link that filters, marked when it is the one chosen."""
    return rx.link(
        text,
        href=href,
        underline="none",
        aria_current=rx.cond(chosen, "true", "false"),
        class_name=rx.cond(
            chosen,
            "rounded-full bg-(--accent-9) px-3 py-1 text-sm text-white",
            "rounded-full bg-(--gray-3) px-3 py-1 text-sm text-(--gray-11) hover:bg-(--gray-5)",
        ),
    )


def waiting() -> rx.Component:
    """Before the first answer."""
    return rx.el.div(rx.spinner(), class_name="flex justify-center p-14")
