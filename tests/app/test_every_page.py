"""Every page, dark and light: readable by all, quiet, and still while it loads."""

from __future__ import annotations

import json
import re
import secrets
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from amaze_app import routes
from amaze_app.pages.policy_state import TABS
from tests.app.archived import archive, conversation
from tests.app.browsing import let_in
from tests.app.conftest import Platform

_TRACE = secrets.token_hex(16)
_AGENT = f"page-{secrets.token_hex(4)}"
_INSIDE = (
    *(one for one in routes.PAGES if one != routes.ENDED),
    *routes.NAMED,
    *(f"{routes.POLICY}?tab={tab}" for tab in TABS[1:]),
)
_SHIFTS = """window.shifted = 0;
new PerformanceObserver(list => list.getEntries().forEach(one => {
  if (!one.hadRecentInput) window.shifted += one.value;
})).observe({type: "layout-shift", buffered: true});"""
_SHIFT_MAX = 0.1  # what Web Vitals call good
_COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
_SETTLED = """Promise.allSettled(document.getAnimations()
  .filter(one => one instanceof CSSTransition).map(one => one.finished))"""


@pytest.fixture(scope="module")
def furnished(platform: Platform) -> None:
    """An agent and a conversation, so that no page is empty."""
    platform.register(_AGENT)
    for limit in (5, 6):
        policy = {"max_tokens_per_turn": limit, "allowed_tools": ["nowhere/search"]}
        platform._control("PUT", f"/policy/{_AGENT}", json=policy)
    archive(platform, conversation(_TRACE, _AGENT, f"{_AGENT}-peer"))


@pytest.mark.usefixtures("furnished")
def test_pages_are_readable_and_still(page: Page, platform: Platform) -> None:
    """Each page comes in the scheme that the one before it was left in, and is then seen in the
    other one too: there with the rules that look at colours alone."""
    page.add_init_script(_SHIFTS)
    found: dict[str, list[str]] = {}
    page.goto(routes.LOGIN)
    found["login, dark"] = _violations(page)
    page.emulate_media(color_scheme="light")
    page.reload()
    found["login, light"] = _violations(page, **_COLOURS)
    page.emulate_media(color_scheme="dark")
    let_in(page.context, platform)
    first, second = "dark", "light"
    for route in _INSIDE:
        page.goto(_path(route))
        expect(page.locator("html")).to_have_class(re.compile(first))
        expect(page.locator("#live")).to_have_text("live")
        expect(page.locator(".a-skeleton")).to_have_count(0)
        shifted = page.evaluate("window.shifted")
        found[f"{route}, {first}"] = _violations(page) + (
            [f"moves: {shifted}"] if shifted > _SHIFT_MAX else []
        )
        page.get_by_role("button", name="Dark or light").click()
        expect(page.locator("html")).to_have_class(re.compile(second))
        page.evaluate(_SETTLED)  # colours change by and by
        found[f"{route}, {second}"] = _violations(page, **_COLOURS)
        first, second = second, first
    wrong = {name: all_of_it for name, all_of_it in found.items() if all_of_it}
    assert wrong == {}, json.dumps(wrong, indent=1)


def test_each_page_says_which_scripts_may_run(page: Page, platform: Platform) -> None:
    let_in(page.context, platform)
    for route in _INSIDE:
        answer = page.request.get(_path(route))
        policy = answer.headers["content-security-policy"]
        assert "default-src" in policy
        assert "'unsafe-inline'" not in re.findall(r"script-src [^;]*", policy)[0]
        assert "unsafe-eval" not in policy
        assert re.findall(r"<[^>]+\son\w+\s*=", answer.text()) == []


def _path(route: str) -> str:
    return route.replace("[trace_id]", _TRACE).replace("[agent_id]", _AGENT)


def _violations(page: Page, **options: Any) -> list[str]:
    """What axe-core finds serious or critical: the rule, and where it is broken first."""
    options = {"resultTypes": ["violations"], **options}
    found: list[dict[str, Any]] = Axe().run(page, options=options).response["violations"]
    return [
        f"{one['id']} {one['nodes'][0]['target']} {one['nodes'][0]['failureSummary'][:300]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
