"""Takes every page of the UI, dark and light, into docs/screenshots: `make screenshots`."""

from __future__ import annotations

import secrets
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from amaze_app import build, places, routes
from amaze_proxy.store.embedded import EmbeddedValkey
from tests.app.archived import archive, conversation
from tests.app.browsing import CHROMIUM, QUIET, sign_in
from tests.app.conftest import Platform

_WIDE, _NARROW = (1280, 860), (400, 820)
_ALSO_NARROW = (routes.OVERVIEW, routes.AGENTS, routes.TRACES)
_MAX_BYTES = 150_000
_AGENTS = ("researcher", "file-clerk", "reviewer", "planner", "summariser")


def _furnish(platform: Platform) -> str:
    """Agents that talk to each other; the id of the newest trace."""
    for agent_id in _AGENTS:
        platform.register(agent_id)
    trace_id = ""
    for place in range(12):
        trace_id = secrets.token_hex(16)
        agent, peer = _AGENTS[place % 5], _AGENTS[(place + 1) % 5]
        archive(platform, conversation(trace_id, agent, peer))
    return trace_id


def _take(page: Page, route: str, trace_id: str, target: Path, width: int, height: int) -> None:
    page.set_viewport_size({"width": width, "height": height})
    page.goto(route.replace("[trace_id]", trace_id).replace("[agent_id]", _AGENTS[0]))
    if route not in (routes.LOGIN, routes.ENDED):
        expect(page.locator("#live")).to_have_text("live")
        expect(page.locator(".a-skeleton")).to_have_count(0)
    picture = page.screenshot(animations="disabled")
    if len(picture) > _MAX_BYTES:
        raise SystemExit(f"{target.name} has {len(picture)} bytes, at most {_MAX_BYTES}")
    target.write_bytes(picture)


def _take_all(platform: Platform, page: Page, scheme: str, directory: Path, trace_id: str) -> None:
    _take(page, routes.LOGIN, "", directory / f"login-{scheme}.png", *_WIDE)
    sign_in(page, platform)
    if scheme == "light":
        page.get_by_role("button", name="Dark or light").click()
    named = {routes.TRACE: "trace", routes.AGENT: "agent"}
    for route in (*routes.PAGES, *routes.NAMED):
        if route == routes.ENDED:
            continue
        name = named.get(route, route.strip("/"))
        _take(page, route, trace_id, directory / f"{name}-{scheme}.png", *_WIDE)
        if route in _ALSO_NARROW:
            _take(page, route, trace_id, directory / f"{name}-{scheme}-400.png", *_NARROW)


def main() -> int:
    """Starts the platform, fills it, takes the pictures."""
    build.build()
    directory = places.ROOT / "docs" / "screenshots"
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        valkey = EmbeddedValkey(Path(temporary) / "valkey")
        valkey.start()
        platform = Platform(Path(temporary), valkey)
        try:
            platform.start()
            trace_id = _furnish(platform)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
                for scheme in ("dark", "light"):
                    page = browser.new_page(base_url=platform.url, color_scheme="dark")
                    _take_all(platform, page, scheme, directory, trace_id)
                browser.close()
        finally:
            platform.stop()
            valkey.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
