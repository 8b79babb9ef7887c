"""Small pieces in the look of the application; colours come from assets/front/tokens.css."""

from __future__ import annotations

from typing import Any

import reflex as rx

from amaze_app import routes
from amaze_app.components.time import SinceVar, time_text

Text = rx.Var[str] | str
__all__ = [
    "SinceVar",
    "badge",
    "button",
    "card",
    "empty",
    "kpi",
    "link",
    "no_agent",
    "section",
    "time_text",
]

_TONES = {
    "approved": "good",
    "allowed": "good",
    "ok": "good",
    "active": "good",
    "pending": "warn",
    "alert": "warn",
    "shadow": "warn",
    "would deny": "warn",
    "quarantined": "bad",
    "denied": "bad",
    "rejected": "bad",
    "error": "error",
    "disabled": "bad",
}


def card(*children: rx.Component, class_name: str = "p-4", **props: Any) -> rx.Component:
    """A surface."""
    return rx.el.div(*children, class_name=f"a-card {class_name}", **props)


def section(title: Text, *children: rx.Component, beside: rx.Component | None = None) -> Any:
    """A card with a heading."""
    return rx.el.section(
        rx.el.div(
            rx.el.h2(title, class_name="text-sm font-semibold"),
            beside or rx.fragment(),
            class_name="flex flex-wrap items-center justify-between gap-3 px-4 pt-4 pb-3",
        ),
        *children,
        class_name="a-card min-w-0",
    )


def kpi(title: str, value: rx.Var[str], below: Text = "", tone: str = "") -> rx.Component:
    """A number that counts; it has its place before the number is known. Nothing is no news: 0
    has no tone."""
    color = rx.cond((value == "0") | (value == "–"), "", f"text-(--{tone})") if tone else ""
    return card(
        rx.el.p(title, class_name="text-xs a-dim"),
        rx.el.p(value, class_name=f"mt-1 min-h-8 text-2xl font-semibold tabular-nums {color}"),
        rx.el.p(below, class_name="min-h-4 text-xs a-dim"),
        class_name="p-4 min-w-0",
    )


def badge(status: Text, tone: Text | None = None) -> rx.Component:
    """A status. The tone (good, warn, bad, calm) is known for the platform's own words."""
    known = rx.match(status, *_TONES.items(), "calm") if tone is None else tone
    return rx.el.span(status, class_name="a-badge", custom_attrs={"data-tone": known})


def button(text: Text, on_click: Any = None, tone: str = "", **props: Any) -> rx.Component:
    """A button; tones: accent, good, warn, bad, or none."""
    given = {"on_click": on_click} if on_click is not None else {}
    attributes = {"data-tone": tone, **props.pop("custom_attrs", {})}
    props.setdefault("type", "button")
    return rx.el.button(text, class_name="a-button", custom_attrs=attributes, **given, **props)


def link(text: Text, href: Text, **props: Any) -> rx.Component:
    """A link inside the application."""
    return rx.link(text, href=href, underline="none", class_name="a-link", **props)


def empty(icon: str, title: str, *what_next: rx.Component) -> rx.Component:
    """What stands in the place of a list that has nothing in it: what it is for, what to do."""
    return rx.el.div(
        rx.icon(icon, size=28),
        rx.el.p(title, class_name="text-base font-medium text-(--text)"),
        *what_next,
        class_name="a-dim flex flex-col items-center gap-3 px-6 py-14 text-center text-sm",
    )


def no_agent(what: str) -> rx.Component:
    """What stands in the place of `what` of an agent that cannot be shown."""
    return empty(
        "lock",
        f"Its {what} cannot be shown",
        rx.el.p("There is no such agent, it is not yours, or a part of the platform is away."),
        link("All agents", routes.AGENTS),
    )
