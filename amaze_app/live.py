"""Pushes what has changed to every tab: one task for all, which ends with the server."""

from __future__ import annotations

import asyncio
import logging

import reflex as rx
from reflex.state import BaseState, StateUpdate

from amaze_app import routes, runtime
from amaze_app.gate import cookies_of, ended
from amaze_app.pages.agents import AgentsState
from amaze_app.pages.calls import CallsState

log = logging.getLogger(__name__)

_EVERY_S = 1.0  # agents are looked at that often; a call is pushed when it comes
_REST_S = 0.2  # so that many calls are one push


async def push_changes(app: rx.App) -> None:
    """Runs for ever."""
    feed = runtime.current().feed
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(feed.run(), name="feed")
        while True:
            await feed.changed(_EVERY_S)
            namespace = app.event_namespace
            tabs = tuple(namespace.token_to_sid) if namespace is not None else ()
            await asyncio.gather(*(_push(app, tab) for tab in tabs))
            await asyncio.sleep(_REST_S)


async def _push(app: rx.App, tab: str) -> None:
    try:
        over = False
        async with app.modify_state(rx.BaseStateToken(ident=tab, cls=rx.State)) as state:
            cookies = cookies_of(state)
            if cookies is None:
                return
            if await runtime.current().access.session(cookies) is not None:
                await _refresh(state)
            elif state.router.url.path != routes.ENDED:
                state.reset()
                over = True
        if over and app.event_namespace is not None:
            await app.event_namespace.emit_update(StateUpdate(events=[ended()]), tab)
    except Exception:  # one tab must not stop the others: it may have gone in this very moment
        log.exception("a tab could not be brought up to date")


async def _refresh(state: BaseState) -> None:
    path = state.router.url.path
    if path == routes.AGENTS:
        await (await state.get_state(AgentsState))._refresh()
    elif path == routes.CALLS:
        await (await state.get_state(CallsState))._refresh()
