"""The one gate of all event handlers: deny by default.

Reflex lets anyone who is connected call any handler of any state, its own too (`hydrate`, which
sends all vars; `setvar`). Every event passes here first. A handler runs only if it says what it
needs (`allowed`), and if the person of the session, read anew, may. Vars of a state are the
browser's word: nothing may be decided on them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import reflex as rx
from reflex.middleware import Middleware
from reflex.state import BaseState, StateUpdate
from reflex_base.event import Event
from reflex_base.registry import RegistrationContext

from amaze_app import routes, runtime
from amaze_app.gateway import Need, Outage, Principal, Refused

_MARK = "_amaze_rule"
_ID_MAX = 64
_ROOT = "reflex___state____state"

# Of Reflex's own handlers, those without which no page opens. All others stay shut: `setvar` of
# every state, `update_vars_internal` (browser storage that we do not use), error reports.
OF_REFLEX = frozenset(
    (
        f"{_ROOT}.hydrate",
        f"{_ROOT}.hydrate_and_load",
        f"{_ROOT}.set_is_hydrated",
        f"{_ROOT}.reflex___state____on_load_internal_state.on_load_internal",
        f"{_ROOT}.reflex___state____on_load_internal_state.set_is_hydrated",
    )
)


@dataclass(frozen=True, slots=True)
class Rule:
    """What a handler asks. `owns` names the argument that is the id of an agent which the caller
    must be allowed to change ("": none)."""

    need: Need
    owns: str = ""


def allowed(need: Need, owns: str = "", **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Makes a method an event handler for those who may; `options` are those of `rx.event`."""

    def declared(method: Callable[..., Any]) -> Any:
        setattr(method, _MARK, Rule(need, owns))
        return rx.event(method, **options)

    return declared


def rule_of(name: str) -> Rule | None:
    """What the handler of this full name asks; None: it is shut."""
    if name in OF_REFLEX:
        return Rule(Need.VIEWER)
    registered = RegistrationContext.get().event_handlers.get(name)
    return None if registered is None else getattr(registered.handler.fn, _MARK, None)


def cookies_of(state: BaseState) -> str | None:
    """The Cookie header with which the tab's socket came; None before its first event."""
    headers = state.router_data.get("headers")
    return None if headers is None else str(headers.get("cookie", ""))


async def principal_of(state: BaseState) -> Principal | None:
    """The person of the tab's session at this moment, unless a password must be changed first."""
    cookies = cookies_of(state)
    if not cookies:
        return None
    address = str(state.router_data.get("ip", ""))
    who = await runtime.current().access.principal(cookies, address)
    return None if who is None or who.must_change else who


def ended() -> Event:
    """Sends the tab to the page that says that its session is over."""
    payload = {"path": routes.ENDED, "external": False, "popup": False, "replace": True}
    return Event(name="_redirect", payload=payload)


class Seat(rx.State):
    """Whose session the states of a tab are of."""

    _session: str = ""


class Gate(Middleware):
    """Runs before hydrate, on_load, plain and background handlers alike."""

    async def preprocess(self, app: rx.App, state: BaseState, event: Event) -> StateUpdate | None:
        """None lets the event pass; an update is sent in its stead."""
        who = await principal_of(state)
        if who is None:
            there = state.router.url.path == routes.ENDED
            return StateUpdate() if there else StateUpdate(events=[ended()])
        rule = rule_of(event.name)
        if rule is None or not who.may(rule.need) or not await _owned(who, rule, event):
            return StateUpdate()
        await _seated(who, state)
        return None


async def _seated(who: Principal, state: BaseState) -> None:
    """A tab keeps its states when its person changes, and `hydrate` would send them to the next."""
    seat = await state.get_state(Seat)
    if seat._session not in ("", who.session_sha256):
        state.reset()
    seat._session = who.session_sha256


async def _owned(who: Principal, rule: Rule, event: Event) -> bool:
    if not rule.owns:
        return True
    agent_id = event.payload.get(rule.owns)
    if not isinstance(agent_id, str) or len(agent_id) > _ID_MAX:
        return False
    try:
        return (await runtime.current().gateway.agents.get(who, agent_id)).changeable
    except (Refused, Outage):
        return False
