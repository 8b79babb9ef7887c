"""The raw socket: what somebody without a session gets, whatever he sends."""

from __future__ import annotations

import inspect
import json
import socket
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from reflex_base.registry import RegistrationContext
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Event, Request, TextMessage

from amaze_app import gate
from tests.app import web
from tests.app.attack import HANDLERS, ROOT_STATE, function_of
from tests.app.conftest import Platform, until

_UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


class Closed(Exception):
    """The server has closed the socket."""


class Tab:
    """Speaks Socket.IO 5 over Engine.IO 4 by hand, as a client of ours would not."""

    def __init__(self, platform: Platform, token: str = "", **headers: str) -> None:
        self.token = token or str(uuid.uuid4())
        self.updates: list[dict[str, Any]] = []
        self._socket = socket.create_connection(("127.0.0.1", platform.ui_port), timeout=60)
        self._wire = WSConnection(ConnectionType.CLIENT)
        target = f"/_event/?EIO=4&transport=websocket&token={self.token}"
        given = [(name.encode(), value.encode()) for name, value in headers.items()]
        host = platform.url.removeprefix("http://")
        self._write(Request(host=host, target=target, extra_headers=given))
        assert isinstance(self._read(), AcceptConnection)

    def close(self) -> None:
        self._socket.close()

    def connect(self, path: str) -> None:
        """As the page does: the first event comes with the connection."""
        boot = self._event(f"{ROOT_STATE}.hydrate_and_load", path, vars={}, hashes={})
        self._write(TextMessage("40/_event," + json.dumps({"event": boot})))
        self.read_until(lambda packet: packet.startswith("40/_event"))

    def send(self, name: str, path: str, /, **payload: Any) -> None:
        event = self._event(name, path, **payload)
        self._write(TextMessage("42/_event," + json.dumps(["event", event])))

    def ask(self) -> None:
        """Waits for the answer to a ping, which comes behind all answers before it."""
        self._write(TextMessage('42/_event,["ping"]'))
        self.read_until(lambda packet: packet.startswith('42/_event,["ping"'))

    def read_until(self, ends: Callable[[str], bool]) -> None:
        while True:
            packet = self._packet()
            if packet == "2":
                self._write(TextMessage("3"))
            elif packet.startswith('42/_event,["event"'):
                self.updates.append(json.loads(packet.removeprefix("42/_event,"))[1])
            if ends(packet):
                return

    def deltas(self) -> list[dict[str, Any]]:
        return [update["delta"] for update in self.updates if update.get("delta")]

    def _packet(self) -> str:
        whole = ""
        while True:
            event = self._read()
            if isinstance(event, CloseConnection):
                raise Closed(event.code)
            if isinstance(event, TextMessage):
                whole += event.data
                if event.message_finished:
                    return whole

    def _write(self, event: Event) -> None:
        self._socket.sendall(self._wire.send(event))

    def _read(self) -> Event:
        while (event := next(self._wire.events(), None)) is None:
            self._wire.receive_data(self._socket.recv(65536) or None)
        return event

    def _event(self, name: str, path: str, /, **payload: Any) -> dict[str, Any]:
        router = {"pathname": path, "query": {}, "asPath": path}
        return {"name": name, "payload": payload, "router_data": router, "token": self.token}


@contextmanager
def opened(platform: Platform, token: str = "", **headers: str) -> Iterator[Tab]:
    tab = Tab(platform, token, Origin=platform.url, **headers)
    try:
        yield tab
    finally:
        tab.close()


def test_without_a_session_there_is_no_socket(platform: Platform) -> None:
    good = platform.sign_in()
    for headers in (
        {"Origin": platform.url},
        {"Origin": platform.url, "Cookie": "amaze_session=guess"},
        {"Origin": "http://evil.example", "Cookie": good},
        {"Cookie": good},
    ):
        answer = web.get(
            f"{platform.url}/_event/?EIO=4&transport=websocket",
            headers={**_UPGRADE, **headers},
        )
        assert answer.status_code == 403


def test_with_a_session_the_page_is_filled(platform: Platform, new_agent_id: str) -> None:
    platform.register(new_agent_id)
    with opened(platform, Cookie=platform.sign_in()) as tab:
        tab.connect("/agents")
        until(lambda: tab.ask() or new_agent_id in json.dumps(tab.deltas()))
        assert "amaze_session" not in json.dumps(tab.updates)


def _emptied(delta: object, agent_id: str) -> bool:
    text = json.dumps(delta)
    return "rows_rx_state_" in text and agent_id not in text


def test_signing_out_empties_the_tab(platform: Platform, new_agent_id: str) -> None:
    platform.register(new_agent_id)
    cookie = platform.sign_in()
    with opened(platform, Cookie=cookie) as tab:
        tab.connect("/agents")
        until(lambda: tab.ask() or new_agent_id in json.dumps(tab.deltas()))
        _sign_out(platform, cookie)
        until(lambda: tab.ask() or _redirects(tab))
        # What the tab asks is answered with the redirect, maybe before the push that empties it.
        until(lambda: tab.ask() or _emptied(tab.deltas()[-1], new_agent_id))
        before = len(tab.deltas())
        later = f"{new_agent_id}-later"
        platform.register(later)
        tab.send(f"{ROOT_STATE}.hydrate", "/agents")
        tab.ask()
        assert later not in json.dumps(tab.updates)
        assert len(tab.deltas()) == before


def test_who_signs_in_next_in_a_tab_gets_nothing_of_the_person_before(
    platform: Platform, new_agent_id: str
) -> None:
    platform.register(new_agent_id)
    with opened(platform, Cookie=platform.sign_in()) as before:
        before.connect("/agents")
        until(lambda: before.ask() or new_agent_id in json.dumps(before.deltas()))
    cookie = platform.sign_in("operator")  # who sees none of nobody's agents
    with opened(platform, before.token, Cookie=cookie) as tab:
        tab.connect("/agents")
        until(lambda: tab.ask() or platform.person("operator") in json.dumps(tab.deltas()))
        assert new_agent_id not in json.dumps(tab.updates)


def _ours(name: str) -> bool:
    method = RegistrationContext.get().event_handlers[name].handler.fn
    return str(method.__module__).startswith("amaze_app")


def test_every_handler_of_ours_says_who_may_call_it() -> None:
    silent = [name for name in HANDLERS if _ours(name) and gate.rule_of(name) is None]
    assert silent == []
    for name in HANDLERS:
        rule = gate.rule_of(name)
        if rule is not None and rule.owns:
            assert rule.owns in inspect.signature(function_of(name)).parameters


def test_reflex_s_own_handlers_are_shut_but_those_that_open_a_page() -> None:
    opened = {name for name in HANDLERS if not _ours(name) and gate.rule_of(name) is not None}
    assert opened == gate.OF_REFLEX
    assert not any(name.endswith((".setvar", ".update_vars_internal")) for name in opened)
    assert gate.rule_of("no.such.handler") is None


def test_an_operator_decides_on_an_agent_of_theirs(platform: Platform, new_agent_id: str) -> None:
    platform.register(new_agent_id)
    platform.give(new_agent_id, platform.person("operator"))
    approve = next(name for name in HANDLERS if name.endswith("agents_state.approve"))
    with opened(platform, Cookie=platform.sign_in("operator")) as tab:
        tab.connect("/agents")
        tab.send(approve, "/agents", agent_id=new_agent_id, claim="")
        until(lambda: platform.agent(new_agent_id)["status"] == "approved")
    begun = next(one for one in platform.acts() if one["target"] == f"agents/{new_agent_id}")
    assert (begun["caller"], begun["tool"]) == ("the-operator", "agents.approve")
    assert "web UI" in begun["session_id"]


def test_a_message_that_is_too_long_ends_the_socket(platform: Platform) -> None:
    with opened(platform, Cookie=platform.sign_in()) as tab:
        tab.connect("/agents")
        with pytest.raises((Closed, OSError)):
            tab.send("x" * 1_100_000, "/agents")
            tab.read_until(lambda _packet: False)


def _redirects(tab: Tab) -> list[str]:
    return [
        event["payload"]["path"]
        for update in tab.updates
        for event in update.get("events") or []
        if event["name"] == "_redirect"
    ]


def _sign_out(platform: Platform, cookie: str) -> None:
    answer = web.post(
        f"{platform.url}/logout",
        headers={"Origin": platform.url, "Cookie": cookie},
    )
    assert answer.status_code == 303
