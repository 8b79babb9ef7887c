"""A message to an agent, and what it does with it, step by step."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

import reflex as rx

from amaze_app import routes, runtime
from amaze_app.components.code import json_view
from amaze_app.components.elements import badge, button, link, section
from amaze_app.components.forms import text_area
from amaze_app.gate import allowed, principal_of
from amaze_app.gateway import Need, Outage, Principal, Refused
from amaze_app.gateway.agents import Answered, sentence
from amaze_app.gateway.traces import Step
from amaze_app.state import PageState

_MESSAGE_MAX = 20_000
_REPLY_MAX = 20_000
_KEPT = 10
_STEPS = 12
_DENIALS = 20
_AT_WORK, _ANSWERED, _FAILED = "sent", "answered", "failed"


@dataclass(frozen=True)
class Denied:
    """A call that was denied to the agent: why in words, and where it is shown."""

    text: str
    href: str


@dataclass(frozen=True)
class Did:
    """A call of the agent."""

    key: str
    text: str
    verdict: str


@dataclass(frozen=True)
class Exchange:
    """A message and what came of it; `state` is sent, answered or failed."""

    number: int
    message: str
    state: str = _AT_WORK
    trace_id: str = ""
    href: str = ""
    reply: str = ""
    structured: bool = False
    cut: str = ""
    trouble: str = ""
    denials: list[Denied] = field(default_factory=list)
    steps: list[Did] = field(default_factory=list)
    more: str = ""


class AgentChat(PageState, mixin=True):
    """The exchanges of this tab with the agent of the page."""

    exchanges: rx.Field[list[Exchange]] = rx.field(default_factory=list)
    sending: bool = False
    _sent: int = 0
    _followed: int = -1

    @allowed(Need.OPERATOR, owns="agent_id", background=True)
    async def send(self, agent_id: str, form: dict[str, str]) -> None:
        """Sends the message of the form. In the background, because an agent takes its time, and
        the tab must go on meanwhile."""
        text = str(form.get("message", "")).strip()[:_MESSAGE_MAX]
        async with self:
            who = await principal_of(self)
            if who is None or self.sending or not text:
                return
            number = self._begin(text)

        async def begun(trace_id: str) -> None:
            async with self:
                self._change(number, trace_id=trace_id, href=routes.trace(trace_id))

        desk = runtime.current().gateway.agents
        try:
            answered = await desk.send(who, agent_id, text, begun)
        except (Refused, Outage) as error:
            outcome: dict[str, object] = {"state": _FAILED, "trouble": str(error)}
        else:
            outcome = _outcome(answered)
        async with self:
            # meanwhile the session may have ended, or the agent have become another one's
            if await principal_of(self) is not None:
                self._change(number, **outcome)
                await self._refresh()

    def _begin(self, text: str) -> int:
        self._sent += 1
        self.sending, self._followed = True, -1
        self.exchanges = [Exchange(self._sent, text), *self.exchanges][:_KEPT]
        return self._sent

    def _change(self, number: int, **changes: object) -> None:
        """Of an exchange that is still shown."""
        self.exchanges = [
            replace(one, **changes) if one.number == number else one for one in self.exchanges
        ]
        self.sending = any(one.state == _AT_WORK for one in self.exchanges)

    def _clear(self) -> None:
        self.exchanges, self.sending = [], False

    async def _follow(self, who: Principal) -> None:
        """Shows what the agent has done for the newest message."""
        newest = next(iter(self.exchanges), None)
        if newest is None or not newest.trace_id:
            return
        desk = self._gateway.traces
        moved = await desk.newest(who, newest.trace_id)
        if moved in (self._followed, 0):
            return
        try:
            detail = await desk.detail(who, newest.trace_id)
        except Refused:  # nothing is archived yet
            return
        self._followed = moved
        steps = detail.sequence.steps
        more = len(steps) - _STEPS
        self._change(
            newest.number,
            steps=list(map(_did, steps[:_STEPS])),
            more=f"and {more} more calls" if more > 0 else "",
        )


def _outcome(answered: Answered) -> dict[str, object]:
    reply, structured = answered.reply, not isinstance(answered.reply, str)
    text = json.dumps(reply, ensure_ascii=False) if structured else str(reply)
    return {
        "state": _ANSWERED,
        "reply": text[:_REPLY_MAX],
        "structured": structured and len(text) <= _REPLY_MAX,
        "cut": f"cut: it has {len(text):,} characters" if len(text) > _REPLY_MAX else "",
        "trace_id": answered.trace_id,
        "href": routes.trace(answered.trace_id),
        "denials": [
            Denied(sentence(one), routes.trace(answered.trace_id, one.decision_id))
            for one in answered.denials[:_DENIALS]
        ],
    }


def _did(step: Step) -> Did:
    went_to = step.went_to.partition(":")[2]
    text = f"{step.number}. {step.label} → {went_to}" if went_to else f"{step.number}. {step.label}"
    return Did(step.record.decision_id, text[:200], step.verdict)


def chat(state: type[AgentChat], agent_id: rx.Var[str], barred: rx.Var[str]) -> rx.Component:
    """The part of the page; `barred` says why no message can be sent ("": it can)."""
    return section(
        "Send a message",
        rx.el.div(
            rx.cond(
                barred != "",
                rx.el.p(barred, class_name="text-sm a-dim"),
                rx.el.form(
                    text_area(
                        "message",
                        3,
                        placeholder="What a user would write",
                        aria_label="Message",
                        required=True,
                        max_length=_MESSAGE_MAX,
                    ),
                    rx.el.div(
                        button(
                            rx.cond(state.sending, "The agent is at work …", "Send"),
                            tone="accent",
                            type="submit",
                            disabled=state.sending,
                        ),
                        class_name="mt-2 flex justify-end",
                    ),
                    on_submit=state.send(agent_id),
                    reset_on_submit=True,
                ),
            ),
            rx.el.div(
                rx.foreach(state.exchanges, _exchange),
                aria_live="polite",
                class_name="divide-y divide-(--line)",
                id="exchanges",
            ),
            class_name="px-4 pb-4",
        ),
    )


def _exchange(one: rx.Var[Exchange]) -> rx.Component:
    return rx.el.article(
        rx.el.div(
            rx.match(
                one.state,
                (_ANSWERED, badge(_ANSWERED, "good")),
                (_FAILED, badge(_FAILED, "bad")),
                badge("at work", "warn"),
            ),
            rx.cond(one.href != "", link("Open the trace", one.href)),
            class_name="flex items-center justify-between gap-3 text-sm",
        ),
        rx.el.p(one.message, class_name="a-dim text-sm whitespace-pre-wrap wrap-anywhere"),
        rx.cond(
            one.steps.length() > 0,
            rx.el.ol(rx.foreach(one.steps, _step), class_name="space-y-1 text-sm"),
        ),
        rx.cond(one.more != "", rx.el.p(one.more, class_name="text-xs a-dim")),
        rx.cond(one.trouble != "", rx.el.p(one.trouble, class_name="text-sm text-(--bad)")),
        rx.foreach(one.denials, _denied),
        rx.cond(
            one.state == _ANSWERED,
            rx.cond(
                one.structured,
                json_view(one.reply),
                rx.el.p(one.reply, class_name="text-sm whitespace-pre-wrap wrap-anywhere"),
            ),
        ),
        rx.cond(one.cut != "", rx.el.p(one.cut, class_name="text-xs a-dim")),
        key=one.number,
        class_name="space-y-2 py-3",
    )


def _step(did: rx.Var[Did]) -> rx.Component:
    return rx.el.li(
        rx.el.span(did.text, class_name="min-w-0 truncate", title=did.text),
        badge(did.verdict),
        key=did.key,
        class_name="flex items-center justify-between gap-3",
    )


def _denied(one: rx.Var[Denied]) -> rx.Component:
    return rx.el.p(
        one.text,
        " ",
        link("See the call", one.href),
        class_name="rounded-lg bg-(--bad-soft) px-3 py-2 text-sm text-(--bad) wrap-anywhere",
    )
