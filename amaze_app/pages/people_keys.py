"""API keys: for scripts, with a role, agents and an end of their own."""

from __future__ import annotations

from dataclasses import dataclass

import reflex as rx

from amaze_app import routes
from amaze_app.components.code import code_block
from amaze_app.components.elements import badge, button, empty, section
from amaze_app.components.forms import confirm, dialog, field, text_input
from amaze_app.components.table import cell, data_table, line, pager
from amaze_app.components.time import time_text
from amaze_app.gate import allowed
from amaze_app.gateway import Need, Principal
from amaze_app.gateway.keys import KeyView
from amaze_app.live import live
from amaze_app.pulse import Topic
from amaze_app.state import Paged, PageState

_PAGE = 50


@dataclass(frozen=True)
class KeyRow:
    """A key without its secret."""

    key_id: str
    prefix: str
    label: str
    user: str
    role: str
    scope: str
    created_ms: int
    expires_ms: int
    ended: bool


@live(routes.PEOPLE, Topic.PEOPLE)
class KeysState(Paged, PageState):
    """The own keys; an admin sees everybody's."""

    rows: rx.Field[list[KeyRow]] = rx.field(default_factory=list)
    roles: rx.Field[list[str]] = rx.field(default_factory=list)
    adding: bool = False
    revoking: str = ""
    secret: str = ""

    @allowed(Need.VIEWER)
    async def load(self) -> None:
        """Reads the page that the URL names."""
        self._place = self._argument("key")
        await self._refresh()
        self.loaded = True

    @allowed(Need.VIEWER)
    async def create(self, form: dict[str, str]) -> None:
        """A key of one's own, of at most one's own role."""
        who = await self._principal()
        label, role, scope, days = (
            str(form.get(one, "")).strip() for one in ("label", "key_role", "scope", "days")
        )
        agents = tuple(scope.replace(",", " ").split())[:100]
        lasts = int(days) if days.isascii() and days.isdecimal() and len(days) < 6 else 0
        made = await self._do(self._gateway.keys.create(who, label, role, agents, lasts))
        if made is not None:
            self.adding = False
            self.secret = made.secret

    @allowed(Need.VIEWER)
    async def revoke(self, key_id: str) -> None:
        """The key works no more."""
        who, self.revoking = await self._principal(), ""
        await self._do(self._gateway.keys.revoke(who, str(key_id)[:64]), "the key is revoked")

    @allowed(Need.VIEWER)
    def add(self) -> None:
        """Asks for a new key."""
        self.adding = True

    @allowed(Need.VIEWER)
    def ask_revoke(self, key_id: str) -> None:
        """Asks before a key is revoked."""
        self.revoking = str(key_id)[:64]

    @allowed(Need.VIEWER)
    def close(self) -> None:
        """Shuts every dialog, and forgets the secret."""
        self.adding = False
        self.revoking = self.secret = ""

    async def _show(self, who: Principal) -> None:
        found = await self._gateway.keys.page(who, self._place, _PAGE + 1)
        page, now = found[:_PAGE], self._now_ms()
        self._put(
            rows=[_row(one, now) for one in page],
            roles=list(dict.fromkeys(("viewer", str(who.role)))),
        )
        self._turn(routes.PEOPLE, {}, "key", page[-1].key_id if len(found) > _PAGE else "")
        if who.role == "admin":
            self._put(roles=["viewer", "operator", "admin"])


def _row(key: KeyView, now: int) -> KeyRow:
    return KeyRow(
        key_id=key.key_id,
        prefix=f"{key.prefix}…",
        label=key.label,
        user=key.user,
        role=key.role,
        scope=", ".join(key.scope) or "all they may reach",
        created_ms=key.created_ms,
        expires_ms=key.expires_ms,
        ended=bool(key.expires_ms) and key.expires_ms <= now,
    )


def keys() -> rx.Component:
    """The section of the page, and its dialogs."""
    return rx.el.div(
        section(
            "API keys",
            data_table(
                ("Key", "For", "User", "Role", "Agents", "Made", "Ends", ""),
                KeysState.rows,
                _key,
                loaded=KeysState.loaded,
                nothing=empty(
                    "key-round",
                    "No API key",
                    rx.el.p("A script needs one: Authorization: Bearer KEY on the control API."),
                    button("Make a key", KeysState.add, "accent"),
                ),
                label="API keys",
            ),
            pager(KeysState.first_href, KeysState.next_href),
            beside=button("Make a key", KeysState.add, "accent"),
        ),
        _adding(),
        _secret(),
        confirm(
            "Revoke this key?",
            "What uses it is refused at its next call.",
            opened=KeysState.revoking != "",
            yes="Revoke",
            on_yes=KeysState.revoke(KeysState.revoking),
            on_no=KeysState.close,
            name="confirm-revoke",
        ),
        class_name="mt-5",
    )


def _key(row: rx.Var[KeyRow]) -> rx.Component:
    never = rx.el.span("never", class_name="a-dim")
    ends = rx.cond(row.ended, badge("ended", "bad"), time_text(row.expires_ms))
    return line(
        cell(rx.el.code(row.prefix)),
        cell(rx.cond(row.label != "", row.label, "–")),
        cell(row.user),
        cell(row.role),
        cell(row.scope, class_name="text-xs"),
        cell(time_text(row.created_ms)),
        cell(rx.cond(row.expires_ms > 0, ends, never)),
        cell(button("Revoke", KeysState.ask_revoke(row.key_id), "bad"), end=True),
        key=row.key_id,
        apikey=row.key_id,
    )


def _adding() -> rx.Component:
    role = rx.el.select(
        rx.foreach(KeysState.roles, lambda one: rx.el.option(one, value=one)),
        id="key_role",
        name="key_role",
        class_name="a-input",
    )
    return dialog(
        "Make an API key",
        "It is yours, and may never do more than you. It is shown once.",
        rx.el.form(
            field("What it is for", text_input("label", max_length=100), "label"),
            field("Role", role, "key_role", hint="The least that is enough."),
            field(
                "Agents",
                text_input("scope", max_length=2000),
                "scope",
                hint="Ids of agents, comma separated; empty: all that you may reach.",
            ),
            field(
                "Lasts for days",
                text_input("days", type="number", min="0", max="3650", default_value="90"),
                "days",
                hint="0: until it is revoked.",
            ),
            rx.el.div(
                button("Cancel", KeysState.close),
                button("Make it", tone="accent", type="submit"),
                class_name="flex justify-end gap-2",
            ),
            on_submit=KeysState.create,
        ),
        opened=KeysState.adding,
        on_close=KeysState.close,
        name="add-key",
    )


def _secret() -> rx.Component:
    return dialog(
        "The new API key",
        "Shown this once: copy it now. aMaze keeps only its SHA-256.",
        code_block(KeysState.secret, "copy-key"),
        rx.el.div(button("Close", KeysState.close), class_name="mt-4 flex justify-end"),
        opened=KeysState.secret != "",
        on_close=KeysState.close,
        name="secret",
    )
