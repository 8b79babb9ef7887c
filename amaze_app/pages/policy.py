"""The policy of an agent: one draft, to be seen and changed as form, text and graph."""

from __future__ import annotations

import reflex as rx

from amaze_app import routes
from amaze_app.components.elements import badge, button, card, link, no_agent
from amaze_app.components.feedback import skeleton
from amaze_app.components.filters import tabs
from amaze_app.components.forms import confirm
from amaze_app.components.time import time_text
from amaze_app.pages.policy_canvas import graph_tab
from amaze_app.pages.policy_form import FormState
from amaze_app.pages.policy_form_view import form_tab
from amaze_app.pages.policy_simulate import SimulateState, simulate_tab
from amaze_app.pages.policy_state import COMMENT_MAX, TABS, PolicyState
from amaze_app.pages.policy_versions import versions_tab
from amaze_app.pages.policy_versions_state import VersionsState
from amaze_app.pages.policy_yaml import yaml_tab
from amaze_app.shell import page


@rx.page(
    route=routes.POLICY,
    title="Policy · aMaze",
    on_load=[PolicyState.load, FormState.load, VersionsState.load, SimulateState.load],
)
def policy() -> rx.Component:
    """The page."""
    return page(
        "Agents",
        _standing(),
        _overtaken(),
        tabs(
            *(
                (
                    one.capitalize() if one != "yaml" else "YAML",
                    f"?tab={one}",
                    PolicyState.tab == one,
                )
                for one in TABS
            )
        ),
        rx.cond(
            PolicyState.known,
            rx.match(
                PolicyState.tab,
                ("yaml", yaml_tab()),
                ("graph", graph_tab(PolicyState)),
                ("versions", versions_tab()),
                ("simulate", simulate_tab()),
                form_tab(),
            ),
            card(rx.cond(PolicyState.loaded, no_agent("policy"), skeleton(8)), class_name=""),
        ),
        confirm(
            "Discard the draft?",
            "What was changed since the version in force is lost.",
            opened=PolicyState.discarding,
            yes="Discard",
            on_yes=PolicyState.discard(PolicyState.agent),
            on_no=PolicyState.close,
        ),
        heading=rx.fragment("Policy of ", PolicyState.agent),
        beside=rx.link(
            "The agent", href=routes.AGENTS + "/" + PolicyState.agent, class_name="a-button"
        ),
    )


def _standing() -> rx.Component:
    now = PolicyState.now
    return card(
        rx.el.div(
            rx.cond(
                now.version > 0,
                rx.fragment(
                    rx.el.span("Version " + now.version.to_string(), class_name="font-medium"),
                    rx.cond(
                        now.waits, badge("not yet in force", "warn"), badge("in force", "good")
                    ),
                    rx.el.span(
                        "by ", now.author, ", ", time_text(now.created_ms), class_name="a-dim"
                    ),
                    rx.cond(
                        now.comment != "",
                        rx.el.span(now.comment, class_name="a-dim min-w-0 truncate"),
                    ),
                ),
                rx.cond(
                    PolicyState.known,
                    rx.el.span(
                        "It has no policy: every call of it is refused.", class_name="text-(--bad)"
                    ),
                ),
            ),
            rx.cond(PolicyState.dirty, badge("draft, not saved", "warn")),
            rx.cond(
                PolicyState.errors.length() > 0,
                link(badge(PolicyState.errors.length().to_string() + " wrong", "bad"), "?tab=yaml"),
            ),
            class_name="flex min-h-8 min-w-0 flex-wrap items-center gap-x-3 gap-y-1 text-sm",
            id="standing",
        ),
        rx.cond(PolicyState.can_edit, _saving()),
        class_name="mb-4 flex flex-wrap items-center justify-between gap-3 px-4 py-3",
    )


def _saving() -> rx.Component:
    tone = rx.cond(PolicyState.dirty & (PolicyState.errors.length() == 0), "accent", "")
    return rx.el.form(
        rx.el.div(
            rx.el.input(
                name="comment",
                placeholder="Comment: why this change",
                aria_label="Comment",
                auto_complete="off",
                max_length=COMMENT_MAX,
                key=PolicyState.seen,
                class_name="a-input",
            ),
            class_name="w-full sm:w-56",
        ),
        button("Save", type="submit", custom_attrs={"data-tone": tone}),
        button(
            "Discard",
            PolicyState.ask_discard(PolicyState.agent),
            disabled=~PolicyState.dirty,
        ),
        on_submit=PolicyState.save(PolicyState.agent),
        class_name="flex flex-wrap items-center gap-2",
    )


def _overtaken() -> rx.Component:
    """Somebody has saved a version while this draft was written."""
    now, seen = PolicyState.now, PolicyState.seen.to_string()
    number = now.version.to_string()
    return rx.cond(
        PolicyState.dirty & (now.version != PolicyState.seen),
        rx.el.div(
            rx.el.p(
                rx.cond(
                    now.version > 0,
                    rx.fragment(
                        "Version " + number + " was saved by ",
                        now.author,
                        ", ",
                        time_text(now.created_ms),
                        ", after this draft was begun with ",
                    ),
                    "The policy was withdrawn after this draft was begun with ",
                ),
                rx.cond(PolicyState.seen > 0, "version " + seen, "nothing"),
                ".",
            ),
            rx.el.div(
                link("See the difference", "?tab=versions&from=" + seen + "&to=" + number),
                button("Begin again from the newest", PolicyState.ask_discard(PolicyState.agent)),
                button(
                    "Keep my draft upon it",
                    PolicyState.rebase(PolicyState.agent, now.version),
                ),
                class_name="flex flex-wrap items-center gap-3",
            ),
            role="alert",
            id="overtaken",
            class_name="mb-4 flex flex-wrap items-center justify-between gap-3 rounded-lg "
            "bg-(--warn-soft) px-4 py-3 text-sm text-(--warn)",
        ),
    )
