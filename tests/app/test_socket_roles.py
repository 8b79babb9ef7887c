"""Every handler of every page, called by those who may not: nothing changes, nothing is told."""

from __future__ import annotations

import copy
import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.app import attack, web
from tests.app.archived import archive, conversation
from tests.app.conftest import Platform, _free_ports, until
from tests.app.test_socket import Tab, opened

# As the UI, but everyone is an admin to it: what the tests below must notice.
_BROKEN = """
import sys
from amaze_app import gate
from amaze_app.gateway import Principal, Role
async def anyone(state):
    return Principal("nobody-at-all", Role.ADMIN, "", "", False)
gate.principal_of = anyone
from amaze_app import serve
sys.exit(serve.main())
"""


@dataclass(frozen=True)
class Secret:
    """An agent that is nobody's, with a word that is in all that belongs to it."""

    agent_id: str
    trace_id: str
    word: str
    known: dict[str, str]


@pytest.fixture
def secret(platform: Platform) -> Secret:
    word = f"hidden{secrets.token_hex(4)}"
    agent_id, trace_id, owner = f"{word}-agent", secrets.token_hex(16), f"{word}-person"
    platform._control("POST", "/auth/users", json={"name": owner, "role": "operator"})
    platform.register(agent_id)
    platform.give(agent_id, owner)
    platform._control("PUT", f"/policy/{agent_id}", json={"name": word})
    mine = [{**one, "target": word} for one in conversation(trace_id, agent_id, f"{word}-peer")]
    decisions = archive(platform, mine)
    known = {
        "agent_id": agent_id,
        "name": owner,
        "key": decisions[0],
        "owner": "the-operator",
        "role": "admin",
        "what": "disable",
        "state": "[]",
        "claim": "",
        "url": "http://mcp.example/",
        "text": "name: nobody may write this\n",
        "typed": "nobody may write this",
        "password": "a password nobody knows",
        "kind": "tool",
        "callee": "files/delete",
        "mode": "strict",
        "places": '{"0": [1, 2]}',
        "steps": "[0]",
        "ways": "[[0, 1]]",
    }
    return Secret(agent_id, trace_id, word, known)


def test_an_ended_session_is_told_nothing(platform: Platform, secret: Secret) -> None:
    cookie = platform.sign_in()
    before = attack.everything(platform)
    with opened(platform, Cookie=cookie) as tab:
        # the socket was let in, and its first event comes when the session is over
        _sign_out(platform, cookie)
        _attack(tab, secret, redirects=len(attack.HANDLERS))
        name = next(iter(attack.HANDLERS))
        tab.send(name, f"/agents/{secret.agent_id}", **_arguments(name, secret))
        before_push = len(tab.deltas())
        until(lambda: tab.ask() or len(tab.deltas()) > before_push)
        told = json.dumps(tab.updates)
    assert _different(platform, before) == {}
    assert secret.word not in told, [one for one in json.loads(told) if secret.word in str(one)]


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_who_may_not_changes_nothing(platform: Platform, secret: Secret, role: str) -> None:
    cookie = platform.sign_in(role)
    before = attack.everything(platform)
    with opened(platform, Cookie=cookie) as tab:
        told = _attack(tab, secret, ends=lambda: _sign_out(platform, cookie))
    assert _different(platform, before, but_keys=True) == {}
    if role == "operator":  # a viewer reads everything
        # what he sends comes back: the id itself is no news to him
        rest = told
        for sent in (secret.agent_id, secret.known["name"]):
            rest = rest.replace(sent, "")
        assert secret.word not in rest


def test_a_gate_that_lets_everyone_in_would_be_noticed(platform: Platform, secret: Secret) -> None:
    cookie = platform.sign_in("viewer")
    before = attack.everything(platform)
    with _broken(platform) as broken, opened(broken, Cookie=cookie) as tab:
        tab.connect(f"/traces/{secret.trace_id}")
        for name in attack.HANDLERS:
            tab.send(name, attack.path_of(name, secret.agent_id), **_arguments(name, secret))
        until(lambda: tab.ask() or _different(platform, before))
        until(lambda: tab.ask() or secret.word in json.dumps(tab.deltas()))


def _attack(tab: Tab, secret: Secret, redirects: int = 1, ends: Any = None) -> str:
    """Every handler, on its own page; then the session's end, which a tab is told behind all that
    was at work. Gives back everything that came before it."""
    tab.connect(f"/traces/{secret.trace_id}")
    for name in attack.HANDLERS:
        tab.send(name, attack.path_of(name, secret.agent_id), **_arguments(name, secret))
    tab.ask()
    if ends is not None:
        ends()
    until(lambda: tab.ask() or _redirects(tab) >= redirects, 120)
    return json.dumps(tab.updates)


def _arguments(name: str, secret: Secret) -> dict[str, Any]:
    return attack.arguments(name, secret.known)


def _different(
    platform: Platform, before: dict[str, list[str]], but_keys: bool = False
) -> dict[str, list[str]]:
    after = attack.everything(platform)
    found = attack.changed(before, after)
    if but_keys:
        # everybody may make keys for himself, with no more than his own rights; and end his own
        found["access_key"] = sorted({*before["access_key"]} - {*after["access_key"]})
        own = [one["decision_id"] for one in platform.acts() if one["tool"].startswith("keys.")]
        found["acts"] = [one for one in found.get("acts", []) if one not in own]
    return {name: rows for name, rows in found.items() if rows}


def _redirects(tab: Tab) -> int:
    events = [event for update in tab.updates for event in update.get("events") or []]
    return sum(event["name"] == "_redirect" for event in events)


@contextmanager
def _broken(platform: Platform) -> Iterator[Platform]:
    """A second UI of the same platform, with the broken gate."""
    (port,) = _free_ports(1)
    url = f"http://127.0.0.1:{port}"
    with platform.log.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", _BROKEN],
            env={**platform.env, "AMAZE_UI_PORT": str(port)},
            cwd=platform.directory,
            stdout=log,
            stderr=log,
        )
    broken = copy.copy(platform)
    broken.ui_port, broken.url = port, url
    try:
        until(lambda: process.poll() is not None or _answers(url), 180)
        yield broken
    finally:
        process.terminate()
        assert process.wait(60) == 0


def _answers(url: str) -> bool:
    try:
        return web.get(f"{url}/health").status_code == 200
    except httpx.TransportError:
        return False


def _sign_out(platform: Platform, cookie: str) -> None:
    headers = {"Origin": platform.url, "Cookie": cookie}
    assert web.post(f"{platform.url}/logout", headers=headers).is_redirect
