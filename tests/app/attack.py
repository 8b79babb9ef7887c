"""Whoever holds a raw socket, calling every handler of every page with arguments that fit."""

from __future__ import annotations

import functools
import inspect
import re
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from typing import Any

import redis
from reflex_base.registry import RegistrationContext

import amaze_app.app
from amaze_app import routes
from tests.app.conftest import Platform

ROOT_STATE = "reflex___state____state"
_FIELD = re.compile(r"""form(?:\.get\(|\[)\s*["'](\w+)["']""")
_KEPT = (
    *("access_key", "account", "agent", "alert", "api_key", "claim", "credential", "mcp_probe"),
    *("policy_draft", "policy_head", "policy_version", "registered_name", "registry_entry"),
)
_STORED = re.compile(r"(agent|cred|policy|mcp|llm):|(agents|mcps|llms)$")

assert amaze_app.app.app
HANDLERS = sorted(RegistrationContext.get().event_handlers)
"""Every handler that a browser can name, those of Reflex too."""


def function_of(name: str) -> Callable[..., Any]:
    """The function of a handler, without its state."""
    handler = RegistrationContext.get().event_handlers[name].handler
    return functools.partial(handler.fn, None)


def arguments(name: str, known: dict[str, str]) -> dict[str, Any]:
    """Arguments that fit the handler's signature, and would do harm. `known` are names that
    exist, by the argument or form field that takes them."""
    match name.rpartition(".")[2]:
        case "setvar":
            return {"var_name": "notice", "value": known["agent_id"]}
        case "set_is_hydrated":
            return {"value": True}
        case "hydrate_and_load":
            return {"vars": {}, "hashes": {}}
        case "update_vars_internal":
            return {"vars": {f"{ROOT_STATE}.is_hydrated_rx_state_": True}}
        case "handle_frontend_exception":
            return {"info": "x", "component_stack": "y"}
    given = inspect.signature(function_of(name)).parameters.values()
    return {one.name: _fitting(name, one, known) for one in given}


def _fitting(name: str, parameter: inspect.Parameter, known: dict[str, str]) -> Any:
    kind = str(parameter.annotation)
    if kind.startswith("dict"):
        # of a form: every field that the page's module asks for
        module = sys.modules[function_of(name).func.__module__]  # type: ignore[attr-defined]
        fields = _FIELD.findall(inspect.getsource(module))
        return {field: known.get(field, "made-by-nobody") for field in (*fields, *known)}
    if kind in ("int", "bool", "float"):
        return 0
    return known.get(parameter.name, "made-by-nobody")


def path_of(name: str, agent_id: str) -> str:
    """Where in the UI the handler's page is, so that its state finds its subject."""
    page = re.search(r"pages___(\w+?)____", name)
    word = page.group(1).partition("_")[0] if page else "agents"
    if word == "agent":
        return f"{routes.AGENTS}/{agent_id}"
    if word == "policy":
        return routes.policy(agent_id)
    return f"/{word}" if f"/{word}" in routes.PAGES else routes.AGENTS


def everything(platform: Platform) -> dict[str, list[str]]:
    """What control keeps: the tables of SQL, the store's records, the people, and the acts.

    Without what time and signing in change."""
    found: dict[str, list[str]] = {}
    with closing(sqlite3.connect(platform.directory / "data" / "history.db")) as sql:
        for name in _KEPT:
            rows = sql.execute(f"SELECT * FROM {name}").fetchall()
            found[name] = [repr(row) for row in rows]
    with closing(redis.Redis.from_url(platform.valkey.url)) as store:
        for key in store.scan_iter(count=1000):
            if _STORED.match(key.decode()):
                found[key.decode()] = [repr(store.dump(key))]
    passing = ("auth.login", "auth.logout", "users.create")
    found["acts"] = [one["decision_id"] for one in platform.acts() if one["tool"] not in passing]
    return found


def changed(before: dict[str, list[str]], after: dict[str, list[str]]) -> dict[str, list[str]]:
    """By table or key, what is there now and was not before, or the other way round."""
    names = {*before, *after}
    differ = {one: {*before.get(one, [])} ^ {*after.get(one, [])} for one in names}
    return {name: sorted(rows) for name, rows in differ.items() if rows}
