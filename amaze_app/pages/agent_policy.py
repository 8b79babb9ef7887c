"""The policy of an agent, on its dashboard."""

from __future__ import annotations

import reflex as rx

from amaze_app import routes
from amaze_app.components.elements import link, section
from amaze_app.components.time import time_text
from amaze_app.policy_facts import Fact, PolicyCard


def policy_of(agent: rx.Var[str], policy: rx.Var[PolicyCard], loaded: rx.Var[bool]) -> rx.Component:
    """What it may do, in words."""
    return section(
        "Policy",
        rx.cond(
            policy.version > 0,
            rx.el.div(
                rx.el.p(
                    "by ", policy.author, ", ", time_text(policy.created_ms), class_name="a-dim"
                ),
                rx.cond(policy.comment != "", rx.el.p(policy.comment)),
                rx.cond(
                    policy.waits,
                    rx.el.p(
                        "Not yet in force: the store does not answer.", class_name="text-(--warn)"
                    ),
                ),
                rx.el.dl(rx.foreach(policy.facts, _fact), class_name="mt-3 space-y-1"),
                class_name="px-4 pb-4 text-sm",
            ),
            rx.el.p(
                rx.cond(loaded, "It has none, so every call of it is refused.", ""),
                class_name="min-h-8 px-4 pb-4 text-sm a-dim",
            ),
        ),
        beside=rx.el.div(
            rx.cond(policy.version > 0, link("Version " + policy.version.to_string(), policy.href)),
            link(
                rx.cond(policy.version > 0, "Open the policy", "Write one"),
                routes.AGENTS + "/" + agent + "/policy",
            ),
            class_name="flex gap-4",
        ),
    )


def _fact(fact: rx.Var[Fact]) -> rx.Component:
    return rx.el.div(
        rx.el.dt(fact.name, class_name="w-24 shrink-0 a-dim"),
        rx.el.dd(fact.text, class_name="min-w-0 wrap-anywhere"),
        class_name="flex gap-3",
    )
