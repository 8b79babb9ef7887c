"""Pushes what has changed to every tab: one task for all, which ends with the server.

A page says once what it depends on:

    @live(routes.AGENTS, Topic.AGENTS)
    class AgentsState(PageState): ...

and is then asked to `_refresh()` within a second of a change, while a tab shows that page.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import reflex as rx
from reflex.state import BaseState, StateUpdate

from amaze_app import routes, runtime
from amaze_app.gate import cookies_of, ended, principal_of
from amaze_app.pulse import Topic
from amaze_app.state import PageState

log = logging.getLogger(__name__)

_EVERY_S = 1.0  # sessions are looked at that often; a change is pushed when it comes
_REST_S = 0.3  # so that many changes are one push
S = TypeVar("S", bound=type[PageState])


@dataclass(frozen=True, slots=True)
class _Page:
    path: re.Pattern[str]
    state: type[PageState]
    topics: tuple[Topic, ...]


_pages: list[_Page] = []


def live(route: str, *topics: Topic) -> Callable[[S], S]:
    """The state of the page at `route` is refreshed when one of the topics changes."""
    pattern = routes.pattern(route)

    def registered(state: S) -> S:
        _pages.append(_Page(pattern, state, topics))
        return state

    return registered


async def push_changes(app: rx.App) -> None:
    """Runs for ever."""
    pulse = runtime.current().pulse
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(pulse.run(), name="pulse")
        while True:
            await pulse.changed(_EVERY_S)
            namespace = app.event_namespace
            tabs = tuple(namespace.token_to_sid) if namespace is not None else ()
            await asyncio.gather(*(_push(app, tab) for tab in tabs))
            await asyncio.sleep(_REST_S)


async def _push(app: rx.App, tab: str) -> None:
    try:
        over = False
        async with app.modify_state(rx.BaseStateToken(ident=tab, cls=rx.State)) as state:
            if cookies_of(state) is None:
                return
            if await principal_of(state) is not None:
                await _refresh(state)
            elif state.router.url.path != routes.ENDED:
                state.reset()
                state.dirty_vars.clear()  # of the root: where the tab says that it is, and no more
                over = True
        if over and app.event_namespace is not None:
            await app.event_namespace.emit_update(StateUpdate(events=[ended()]), tab)
    except Exception:  # one tab must not stop the others: it may have gone in this very moment
        log.exception("a tab could not be brought up to date")


async def _refresh(state: BaseState) -> None:
    path, pulse = state.router.url.path, runtime.current().pulse
    pages = [page for page in _pages if page.path.fullmatch(path)]
    states = [await state.get_state(page.state) for page in pages]
    version = pulse.version([topic for page in pages for topic in page.topics])
    # `_seen` is one for all states of a tab: each of this page's is refreshed, or none
    if states and (version, pulse.trouble) != (states[0]._seen, states[0].trouble):
        states[0]._seen = version
        for shown in states:
            await shown._refresh()
