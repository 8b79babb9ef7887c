"""The frame of every page: navigation, top bar, messages."""

from __future__ import annotations

import reflex as rx

from amaze_app import routes
from amaze_app.components.feedback import live_state, messages
from amaze_app.components.native_form import native_form, native_link
from amaze_app.state import PageState

# Icon, title, address: each page adds its line when there is one.
NAVIGATION = (
    ("layout-dashboard", "Overview", routes.OVERVIEW),
    ("bot", "Agents", routes.AGENTS),
    ("waypoints", "Traces", routes.TRACES),
    ("bell", "Alerts", routes.ALERTS),
    ("plug", "MCP servers", routes.MCP),
    ("brain", "LLM providers", routes.LLMS),
    ("shield-check", "Audit", routes.AUDIT),
    ("users", "Users and API keys", routes.PEOPLE),
    ("settings", "Settings", routes.SETTINGS),
)


def page(
    title: str, *children: rx.Component, beside: rx.Component | None = None, heading: object = None
) -> rx.Component:
    """A page. `title` is its line in the navigation; `heading` (else the title) stands above,
    `beside` next to it."""
    return rx.el.div(
        rx.el.a("Skip to the content", href="#content", class_name="a-skip"),
        rx.el.aside(
            rx.link(
                rx.image(src="/front/icon.svg", alt="", width="26px", height="26px"),
                rx.el.span("aMaze", class_name="font-semibold text-(--text)"),
                href=routes.HOME,
                underline="none",
                class_name="flex shrink-0 items-center gap-2 px-3 py-2",
            ),
            rx.el.nav(
                *(_item(icon, text, href, text == title) for icon, text, href in NAVIGATION),
                aria_label="Pages",
                class_name="flex min-w-0 gap-1 overflow-x-auto lg:flex-col lg:overflow-visible",
            ),
            class_name="flex shrink-0 items-center gap-2 border-b border-(--line) bg-(--card) p-2 "
            "lg:sticky lg:top-0 lg:h-screen lg:w-56 lg:flex-col lg:items-stretch lg:border-b-0 "
            "lg:border-r lg:p-3",
        ),
        rx.el.div(
            _bar(),
            rx.el.div(
                rx.cond(
                    PageState.trouble != "",
                    rx.el.p(
                        PageState.trouble,
                        id="trouble",
                        class_name="bg-(--bad-soft) px-4 py-2 text-sm text-(--bad) lg:px-6",
                    ),
                ),
                role="status",
            ),
            rx.el.main(
                rx.el.header(
                    rx.el.h1(heading or title, class_name="text-xl font-semibold"),
                    beside or rx.fragment(),
                    class_name="mb-5 flex min-h-9 flex-wrap items-center justify-between gap-3",
                ),
                *children,
                id="content",
                tab_index=-1,
                class_name="mx-auto w-full max-w-[1600px] min-w-0 flex-1 p-4 lg:p-6",
            ),
            class_name="flex min-w-0 flex-1 flex-col",
        ),
        messages(PageState.notice, PageState.said, PageState.dismiss),
        class_name="flex min-h-screen flex-col bg-(--page) text-(--text) lg:flex-row",
    )


def unreachable() -> rx.Component:
    """Over any page, while its socket is not connected."""
    return rx.connection_banner(
        rx.el.div(
            "The connection to the control plane is lost. Trying again; if this stays, ",
            native_link("sign in again", href=routes.LOGIN, class_name="underline"),
            ".",
            role="alert",
            class_name="fixed inset-x-0 bottom-0 z-50 bg-(--warn-soft) px-4 py-2 text-center "
            "text-sm text-(--warn)",
        )
    )


def _bar() -> rx.Component:
    return rx.el.div(
        live_state(PageState.trouble),
        rx.el.div(
            native_link(
                PageState.who,
                href=routes.PASSWORD,
                title="Change the password",
                class_name="a-link truncate",
                id="who",
            ),
            rx.cond(PageState.role != "", rx.el.span(PageState.role, class_name="a-dim")),
            class_name="ml-auto flex min-w-0 items-center gap-2 text-sm",
        ),
        rx.color_mode.button(size="2", variant="ghost", aria_label="Dark or light"),
        native_form(
            rx.el.button("Sign out", type="submit", class_name="a-button", id="sign-out"),
            action=routes.LOGOUT,
            method="post",
        ),
        class_name="flex min-h-14 items-center gap-4 border-b border-(--line) bg-(--card) px-4 "
        "py-2 lg:px-6",
    )


def _item(icon: str, text: str, href: str, here: bool) -> rx.Component:
    return rx.link(
        rx.icon(icon, size=16),
        text,
        href=href,
        underline="none",
        class_name="a-nav",
        custom_attrs={"aria-current": "page"} if here else {},
    )
