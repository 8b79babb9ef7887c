"""What the states of all pages share."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Mapping
from typing import Any, TypeVar

import reflex as rx

from amaze_app import routes, runtime
from amaze_app.gate import allowed, principal_of
from amaze_app.gateway import Gateway, Need, Outage, Principal, Refused, Role

T = TypeVar("T")
_ARGUMENT_MAX = 200


class SignedOut(Exception):
    """The session ended while the handler ran; the next push says so to the tab."""


class PageState(rx.State):
    """A page's state. A public method would be a handler that the browser can call (and the gate
    shuts it), so what the server alone calls begins with an underscore.

    `who`, `role` and `can_…` are for showing; nothing is decided on them.
    """

    who: str = ""
    role: str = ""
    can_change: bool = False
    can_admin: bool = False
    can_read_all: bool = False
    trouble: str = ""
    notice: str = ""
    said: str = ""
    _unread: frozenset[str] = frozenset()
    _seen: int = -1

    @allowed(Need.VIEWER)
    def dismiss(self) -> None:
        """Takes notice and message away."""
        self.notice = self.said = ""

    async def _show(self, who: Principal) -> None:
        """Reads what the page shows, anew: overridden by each page. May raise Refused, Outage."""

    async def _open(self) -> None:
        """What each page's `load` does, after it has read its arguments."""
        self.notice = self.said = ""
        await self._refresh()

    async def _refresh(self) -> None:
        """Shows what there is now."""
        try:
            who = await self._principal()
        except SignedOut:
            return
        self._introduce(who)
        try:
            await self._show(who)
        except (Refused, Outage) as error:
            self._unwell(str(error))
        else:
            self._well()

    async def _do(self, act: Awaitable[T], said: str = "") -> T | None:
        """Awaits an act of the gateway; None, and a notice, where it is refused. Then what the
        page shows is read anew."""
        self.notice = self.said = ""
        done: T | None = None
        try:
            done = await act
        except (Refused, Outage) as error:
            refusal = str(error)
        else:
            refusal = ""
        await self._refresh()
        if refusal:
            self.notice = refusal
        else:
            self.said = said
        return done

    async def _principal(self) -> Principal:
        """Who asks, at this moment. Raises SignedOut."""
        who = await principal_of(self)
        if who is None:
            raise SignedOut
        return who

    @property
    def _gateway(self) -> Gateway:
        return runtime.current().gateway

    def _argument(self, name: str, among: tuple[str, ...] = ()) -> str:
        """A value of the URL's query; "" where it is missing, or none of `among`."""
        given = str(self.router.url.query_parameters.get(name, ""))[:_ARGUMENT_MAX]
        return given if not among or given in among else ""

    @property
    def _host(self) -> str:
        """The Host by which the browser has reached the UI: its word."""
        return str(self.router_data.get("headers", {}).get("host", ""))

    @staticmethod
    def _now_ms() -> int:
        """Milliseconds since the epoch."""
        return time.time_ns() // 1_000_000

    def _put(self, **shown: Any) -> None:
        """Sets vars; what is the same is not sent again."""
        for name, value in shown.items():
            if getattr(self, name) != value:
                setattr(self, name, value)

    def _introduce(self, who: Principal) -> None:
        self._put(
            who=who.name,
            role=str(who.role),
            can_change=who.role is not Role.VIEWER,
            can_admin=who.role is Role.ADMIN,
            can_read_all=who.role is not Role.OPERATOR,
            trouble=runtime.current().pulse.trouble,
        )

    def _unwell(self, text: str) -> None:
        """What the page shows could not be read; said until it can be."""
        self._put(notice=text)
        self._unread |= {type(self).__name__}  # a page may have other states, which are well

    def _well(self) -> None:
        if type(self).__name__ in self._unread:
            self._unread -= {type(self).__name__}
            if not self._unread:
                self.notice = ""


class Paged(PageState, mixin=True):
    """A list in pages; `_place` is where the one begins that the URL names ("": the first)."""

    first_href: str = ""
    next_href: str = ""
    loaded: bool = False
    _place: str = ""

    async def _open_at(self, place: str) -> None:
        """As `_open`, the page that begins there."""
        self._place = place
        await self._open()
        self.loaded = True

    def _turn(self, path: str, query: Mapping[str, str], name: str, following: object) -> None:
        """Links the first page and, unless `following` is empty, the next: `name` is its place."""
        onward = routes.with_query(path, **{**query, name: str(following or "")})
        first = routes.with_query(path, **query)
        self._put(first_href=first if self._place else "", next_href=onward if following else "")
