"""What the draft of a policy would have done to the calls of the last hours."""

from __future__ import annotations

import reflex as rx

from amaze_app import runtime
from amaze_app.components.elements import badge, button, empty, kpi, link, section
from amaze_app.components.feedback import skeleton
from amaze_app.components.table import Column, cell, data_table, line
from amaze_app.components.time import time_text
from amaze_app.gate import allowed, principal_of
from amaze_app.gateway import Need, Principal
from amaze_app.pages.policy_state import PolicyState
from amaze_app.policy_simulation import FlipRow, Outcome, Unsure, outcome
from amaze_app.slow import slowly
from amaze_app.state import PageState

_HOURS = (
    ("1", "hour"),
    ("6", "6 hours"),
    ("24", "24 hours"),
    ("168", "7 days"),
    ("744", "31 days"),
)


class SimulateState(PageState):
    """The last simulation of this tab, of the draft as it was when it was begun."""

    running: bool = False
    done: bool = False
    outcome: Outcome = Outcome()
    of_draft: str = ""
    _agent: str = ""

    @allowed(Need.VIEWER)
    async def load(self) -> None:
        """Another agent has another outcome."""
        agent = (await self.get_state(PolicyState)).agent
        if agent != self._agent:
            self._agent, self.done, self.outcome, self.of_draft = agent, False, Outcome(), ""

    @allowed(Need.OPERATOR, owns="agent_id", background=True)
    async def simulate(self, agent_id: str, form: dict[str, str]) -> None:
        """Judges the calls anew. In the background: it takes seconds."""
        given = str(form.get("hours", ""))
        hours = int(given) if given in dict(_HOURS) else 24
        async with self:
            who, draft = await principal_of(self), await self.get_state(PolicyState)
            if who is None or self.running or agent_id != draft.agent:
                return
            self.running, self._agent, text = True, agent_id, draft.draft
        try:
            await slowly(self, self._judge(who, agent_id, text, hours), "")
        finally:
            async with self:
                self.running = False

    async def _judge(self, who: Principal, agent_id: str, text: str, hours: int) -> None:
        desk = runtime.current().gateway.policies
        found = outcome(await desk.simulate(who, agent_id, text, hours), hours)
        async with self:
            # meanwhile the tab may show another agent, or its session be over
            if self._agent == agent_id and await principal_of(self) is not None:
                self._put(outcome=found, done=True, of_draft=text)


def simulate_tab() -> rx.Component:
    """The question and the answer."""
    found = SimulateState.outcome
    return rx.el.div(
        section(
            "Simulate the draft",
            rx.el.div(
                rx.el.p(
                    "Judges the archived calls again, under the draft as it is now: the newest "
                    "20,000, with budgets and graph counted from empty. Nothing is changed.",
                    class_name="mb-3 text-sm a-dim",
                ),
                rx.cond(
                    PolicyState.can_edit,
                    _question(),
                    rx.el.p("Who owns the agent, and admins, can simulate.", class_name="text-sm"),
                ),
                class_name="px-4 pb-4",
            ),
        ),
        rx.cond(SimulateState.running & ~SimulateState.done, section("Calls", skeleton(4))),
        rx.cond(
            SimulateState.done,
            rx.fragment(
                rx.cond(
                    SimulateState.of_draft != PolicyState.draft,
                    rx.el.p(
                        "The draft was changed since: simulate again.",
                        class_name="text-sm text-(--warn)",
                    ),
                ),
                _numbers(found),
                _flips(found),
                rx.cond(found.undecidable.length() > 0, _undecidable(found)),
            ),
        ),
        class_name="space-y-4",
        id="simulation",
    )


def _question() -> rx.Component:
    return rx.el.form(
        rx.el.label("The last", html_for="hours", class_name="text-sm"),
        rx.el.div(
            rx.el.select(
                *(rx.el.option(text, value=hours) for hours, text in _HOURS),
                id="hours",
                name="hours",
                default_value="24",
                class_name="a-input",
            ),
            class_name="w-32",
        ),
        button(
            rx.cond(SimulateState.running, "Judging …", "Simulate"),
            type="submit",
            tone="accent",
            disabled=SimulateState.running,
        ),
        on_submit=SimulateState.simulate(PolicyState.agent),
        class_name="flex flex-wrap items-center gap-2",
    )


def _numbers(found: rx.Var[Outcome]) -> rx.Component:
    return rx.el.div(
        kpi("Calls judged", found.calls, found.about),
        kpi("As before", found.unchanged),
        kpi("Now denied", found.denied, found.denied_below, "bad"),
        kpi("Now allowed", found.allowed, found.allowed_below, "good"),
        kpi("Undecidable", found.unsure, "see below why"),
        class_name="grid grid-cols-2 gap-4 md:grid-cols-3 xl:grid-cols-5",
    )


def _flips(found: rx.Var[Outcome]) -> rx.Component:
    return section(
        "Verdicts that change",
        data_table(
            (
                "When",
                "Call",
                "Was",
                "Becomes",
                Column("Tokens", end=True),
                Column("Cost", end=True),
            ),
            found.flips,
            _flip,
            loaded=SimulateState.done,
            nothing=empty(
                "equal",
                "No verdict changes",
                rx.el.p("Each call that can be judged is judged as it was."),
            ),
            label="Verdicts that change",
            name="flips",
        ),
        beside=rx.cond(found.more != "", rx.el.span(found.more, class_name="text-xs a-dim")),
    )


def _flip(row: rx.Var[FlipRow]) -> rx.Component:
    return line(
        cell(link(time_text(row.ts, seconds=True), row.href)),
        cell(
            rx.el.span(row.kind, class_name="a-dim mr-2 text-xs"),
            rx.el.span(row.what, class_name="wrap-anywhere"),
        ),
        cell(_verdict(row.was)),
        cell(
            _verdict(row.becomes),
            rx.cond(row.message != "", rx.el.p(row.message, class_name="mt-1 text-xs a-dim")),
            class_name="min-w-48",
        ),
        cell(row.tokens, end=True),
        cell(row.cost, end=True),
        key=row.key,
        flip=row.key,
    )


def _verdict(reason: rx.Var[str]) -> rx.Component:
    return rx.cond(reason == "", badge("allowed", "good"), badge(reason, "bad"))


def _undecidable(found: rx.Var[Outcome]) -> rx.Component:
    return section(
        "Undecidable",
        rx.el.ul(rx.foreach(found.undecidable, _unsure), class_name="space-y-2 px-4 pb-4 text-sm"),
    )


def _unsure(one: rx.Var[Unsure]) -> rx.Component:
    return rx.el.li(
        rx.el.span(one.calls, class_name="w-20 shrink-0 text-right tabular-nums"),
        rx.el.span(one.why, class_name="min-w-0 wrap-anywhere"),
        key=one.why,
        class_name="flex gap-3",
    )
