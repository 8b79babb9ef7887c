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
from tests.app.browsing import sign_in
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


@pytest.fixture(scope="module")
def furnished(platform: Platform) -> None:
    """An agent and a conversation, so that no page is empty."""
    platform.register(_AGENT)
    for limit in (5, 6):
        policy = {"max_tokens_per_turn": limit, "allowed_tools": ["nowhere/search"]}
        platform._control("PUT", f"/policy/{_AGENT}", json=policy)
    archive(platform, conversation(_TRACE, _AGENT, f"{_AGENT}-peer"))


@pytest.mark.usefixtures("furnished")
@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_pages_are_readable_and_still(page: Page, platform: Platform, scheme: str) -> None:
    page.add_init_script(_SHIFTS)
    _readable(page, routes.LOGIN)
    sign_in(page, platform)
    if scheme == "light":
        page.get_by_role("button", name="Dark or light").click()
        expect(page.locator("html")).to_have_class(re.compile(scheme))
    found: dict[str, list[str]] = {}
    for route in _INSIDE:
        page.goto(_path(route))
        expect(page.locator("html")).to_have_class(re.compile(scheme))
        expect(page.locator("#live")).to_have_text("live")
        expect(page.locator(".a-skeleton")).to_have_count(0)
        shifted = page.evaluate("window.shifted")
        wrong = _violations(page) + ([f"moves: {shifted}"] if shifted > _SHIFT_MAX else [])
        if wrong:
            found[route] = wrong
    assert found == {}, json.dumps(found, indent=1)


def test_each_page_says_which_scripts_may_run(page: Page, platform: Platform) -> None:
    sign_in(page, platform)
    for route in _INSIDE:
        answer = page.request.get(_path(route))
        policy = answer.headers["content-security-policy"]
        assert "default-src" in policy
        assert "'unsafe-inline'" not in re.findall(r"script-src [^;]*", policy)[0]
        assert "unsafe-eval" not in policy
        assert re.findall(r"<[^>]+\son\w+\s*=", answer.text()) == []


def _path(route: str) -> str:
    return route.replace("[trace_id]", _TRACE).replace("[agent_id]", _AGENT)


def _readable(page: Page, path: str) -> None:
    page.goto(path)
    assert _violations(page) == []


def _violations(page: Page) -> list[str]:
    """What axe-core finds serious or critical: the rule, and where it is broken first."""
    found: list[dict[str, Any]] = Axe().run(page).response["violations"]
    return [
        f"{one['id']} {one['nodes'][0]['target']} {one['nodes'][0]['failureSummary'][:300]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
