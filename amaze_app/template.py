"""The frame of every page."""

from __future__ import annotations

import reflex as rx

from amaze_app import routes
from amaze_app.components.native_form import native_form

_ITEM = (
    "flex items-center gap-2 rounded-lg px-3 py-2 text-sm text-(--gray-11) hover:bg-(--gray-4) "
    "aria-[current=page]:bg-(--accent-3) aria-[current=page]:text-(--accent-11)"
)
_PAGES = (("bot", "Agents", routes.AGENTS), ("activity", "Calls", routes.CALLS))


def page(title: str, *children: rx.Component, beside: rx.Component | None = None) -> rx.Component:
    """A page with its navigation; `beside` stands next to the title."""
    return rx.el.div(
        rx.el.aside(
            rx.el.div(
                rx.image(src="/front/icon.svg", alt="", width="24px", height="24px"),
                "aMaze",
                class_name="flex items-center gap-2 px-3 py-3 font-semibold text-(--gray-12)",
            ),
            rx.el.nav(
                *(_item(icon, text, href, text == title) for icon, text, href in _PAGES),
                aria_label="Pages",
                class_name="flex gap-1 md:flex-col",
            ),
            rx.el.div(
                rx.color_mode.button(size="2", variant="ghost", aria_label="Dark or light"),
                native_form(
                    rx.button("Sign out", type="submit", size="1", variant="soft", id="sign-out"),
                    action=routes.LOGOUT,
                    method="post",
                ),
                class_name="ml-auto flex items-center justify-between gap-3 px-2 py-2 md:ml-0 "
                "md:mt-auto",
            ),
            class_name="flex shrink-0 flex-wrap items-center gap-1 border-b border-(--gray-5) "
            "bg-(--gray-2) p-3 md:sticky md:top-0 md:h-screen md:w-52 md:flex-col "
            "md:items-stretch md:border-b-0 md:border-r",
        ),
        rx.el.main(
            rx.el.header(
                rx.el.h1(title, class_name="text-xl font-semibold text-(--gray-12)"),
                beside or rx.fragment(),
                class_name="mb-5 flex flex-wrap items-center justify-between gap-3",
            ),
            *children,
            class_name="min-w-0 flex-1 p-4 md:p-6",
        ),
        class_name="flex min-h-screen flex-col bg-(--gray-1) md:flex-row",
    )


def unreachable() -> rx.Component:
    """Over any page, while its socket is not connected."""
    return rx.connection_banner(
        rx.el.div(
            "The connection to the control plane is lost. Trying again; if this stays, ",
            rx.el.a("sign in again", href=routes.LOGIN, class_name="underline"),
            ".",
            role="alert",
            class_name="fixed inset-x-0 bottom-0 z-50 bg-(--amber-9) px-4 py-2 text-center "
            "text-sm text-black",
        )
    )


def _item(icon: str, text: str, href: str, here: bool) -> rx.Component:
    return rx.link(
        rx.icon(icon, size=16),
        text,
        href=href,
        underline="none",
        class_name=_ITEM,
        custom_attrs={"aria-current": "page"} if here else {},
    )
