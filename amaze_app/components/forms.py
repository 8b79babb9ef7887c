"""Form fields with help and error text; dialogs that keep the focus."""

from __future__ import annotations

from typing import Any

import reflex as rx

from amaze_app.components.elements import Text, button


def field(
    label: str,
    control: rx.Component,
    name: str,
    *,
    hint: str = "",
    error: rx.Var[str] | None = None,
) -> rx.Component:
    """A labelled control; `name` is the id that the control was given."""
    return rx.el.div(
        rx.el.label(label, html_for=name, class_name="mb-1 block text-sm font-medium"),
        control,
        rx.el.p(hint, class_name="mt-1 text-xs a-dim") if hint else rx.fragment(),
        rx.cond(error != "", rx.el.p(error, role="alert", class_name="mt-1 text-xs text-(--bad)"))
        if error is not None
        else rx.fragment(),
        class_name="mb-4",
    )


def text_input(name: str, **props: Any) -> rx.Component:
    """A line of text; `name` is its id and its name in the form."""
    return rx.el.input(id=name, name=name, class_name="a-input", auto_complete="off", **props)


def text_area(name: str, rows: int = 6, **props: Any) -> rx.Component:
    """Several lines."""
    return rx.el.textarea(id=name, name=name, rows=str(rows), class_name="a-input", **props)


def choice(name: str, options: tuple[str, ...], **props: Any) -> rx.Component:
    """One of some."""
    return rx.el.select(
        *(rx.el.option(one, value=one) for one in options),
        id=name,
        name=name,
        class_name="a-input",
        **props,
    )


def dialog(
    title: Text,
    about: Text,
    *children: rx.Component,
    opened: rx.Var[bool],
    on_close: Any,
    name: str,
) -> rx.Component:
    """A dialog with a focus trap; `on_close` is a handler without arguments."""
    return rx.dialog.root(
        rx.dialog.content(
            rx.dialog.title(title),
            rx.dialog.description(about, size="2", class_name="a-dim"),
            rx.el.div(*children, class_name="mt-4"),
            id=name,
            max_width="640px",
            on_escape_key_down=on_close,
            on_pointer_down_outside=on_close,
        ),
        open=opened,
    )


def confirm(
    title: Text,
    about: Text,
    *,
    opened: rx.Var[bool],
    yes: str,
    on_yes: Any,
    on_no: Any,
    name: str = "confirm",
) -> rx.Component:
    """Asks before something that cannot simply be undone."""
    return dialog(
        title,
        about,
        rx.el.div(
            button("Cancel", on_no),
            button(yes, on_yes, "bad"),
            class_name="flex justify-end gap-2",
        ),
        opened=opened,
        on_close=on_no,
        name=name,
    )
