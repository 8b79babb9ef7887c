"""Where a tab is sent whose session is over."""

from __future__ import annotations

import reflex as rx

from amaze_app import routes


@rx.page(route=routes.ENDED, title="Signed out · aMaze")
def ended() -> rx.Component:
    """Says so, and leads to the login page (a page of its own: a plain link, not the router's)."""
    return rx.center(
        rx.el.div(
            rx.el.h1("You are signed out", class_name="text-lg font-semibold"),
            rx.el.p("The session of this tab is over.", class_name="my-3 text-sm a-dim"),
            rx.el.a(
                "Sign in",
                href=routes.LOGIN,
                class_name="a-button",
                custom_attrs={"data-tone": "accent"},
            ),
            class_name="a-card p-8 text-center",
        ),
        class_name="min-h-screen bg-(--page) text-(--text)",
    )
