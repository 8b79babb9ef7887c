"""Filters whose values live in the URL, so that they outlast a reload and can be sent on."""

from __future__ import annotations

import reflex as rx

from amaze_app.components.native_form import native_form


def filter_bar(*children: rx.Component) -> rx.Component:
    """The line above a list."""
    return rx.el.div(
        *children, class_name="flex flex-wrap items-center gap-2", role="group", aria_label="Filter"
    )


def pill(text: rx.Var[str] | str, href: rx.Var[str] | str, chosen: rx.Var[bool]) -> rx.Component:
    """A link that filters, marked when it is the one chosen."""
    return rx.link(
        text,
        href=href,
        underline="none",
        class_name="a-pill",
        custom_attrs={"aria-current": rx.cond(chosen, "true", "false")},
    )


def search_box(
    action: str, name: str, value: rx.Var[str], label: str, **kept: rx.Var[str]
) -> rx.Component:
    """Searches when Enter is pressed: a GET to `action`, with the filters that are `kept`."""
    return native_form(
        *(
            rx.el.input(type="hidden", name=one, value=given, read_only=True)
            for one, given in kept.items()
        ),
        rx.el.input(
            type="search",
            name=name,
            default_value=value,
            key=value,
            placeholder=label,
            aria_label=label,
            auto_complete="off",
            max_length=200,
            class_name="a-input",
        ),
        action=action,
        method="get",
        class_name="w-full sm:w-64",
        role="search",
    )


def tabs(*items: tuple[str, rx.Var[str] | str, rx.Var[bool] | bool]) -> rx.Component:
    """Views of one thing: title, address, whether it is this one."""
    return rx.el.nav(
        *(
            rx.link(
                title,
                href=href,
                underline="none",
                class_name="a-tab border-b-2 border-transparent px-2 py-2 text-sm text-(--dim) "
                "sm:px-3",
                custom_attrs={"aria-current": rx.cond(here, "page", "false")},
            )
            for title, href, here in items
        ),
        aria_label="Views",
        class_name="mb-4 flex flex-wrap gap-1 border-b border-(--line)",
    )
