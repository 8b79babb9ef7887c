"""The one gate of all event handlers: deny by default.

Reflex lets anyone who is connected call any handler of any state, its own too (`hydrate`, which
sends all vars; `setvar`). Every event passes here first. Vars of a state are the browser's word:
nothing may be decided on them.
"""

from __future__ import annotations

import reflex as rx
from reflex.middleware import Middleware
from reflex.state import BaseState, StateUpdate
from reflex_base.event import Event

from amaze_app import routes, runtime


def cookies_of(state: BaseState) -> str | None:
    """The Cookie header with which the tab's socket came; None before its first event."""
    headers = state.router_data.get("headers")
    return None if headers is None else str(headers.get("cookie", ""))


def ended() -> Event:
    """Sends the tab to the page that says that its session is over."""
    payload = {"path": routes.ENDED, "external": False, "popup": False, "replace": True}
    return Event(name="_redirect", payload=payload)


class Gate(Middleware):
    """Runs before hydrate, on_load, plain and background handlers alike."""

    async def preprocess(self, app: rx.App, state: BaseState, event: Event) -> StateUpdate | None:
        """None lets the event pass; an update is sent in its stead."""
        cookies = cookies_of(state)
        if cookies and await runtime.current().access.session(cookies) is not None:
            return None
        if state.router.url.path == routes.ENDED:
            return StateUpdate()
        return StateUpdate(events=[ended()])
