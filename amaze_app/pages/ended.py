"""Where a tab is sent whose session is over."""

from __future__ import annotations

import reflex as rx

from amaze_app import routes
from amaze_app.components.elements import CARD, DIM


@rx.page(route=routes.ENDED, title="Signed out · aMaze")
def ended() -> rx.Component:
    """Says so, and leads to the login page (a page of its own: a plain link, not the router's)."""
    return rx.center(
        rx.el.div(
            rx.el.h1("You are signed out", class_name="text-lg font-semibold text-(--gray-12)"),
            rx.el.p("The session of this tab is over.", class_name=f"my-3 text-sm {DIM}"),
            rx.el.a(
                "Sign in",
                href=routes.LOGIN,
                class_name="inline-block rounded-lg bg-(--accent-9) px-4 py-2 text-sm text-white",
            ),
            class_name=f"{CARD} p-8 text-center",
        ),
        class_name="min-h-screen bg-(--gray-1)",
    )
