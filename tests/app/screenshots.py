"""Takes every page of the UI, dark and light, into docs/screenshots: `make screenshots`."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from amaze_app import build, places, routes
from amaze_app.pages.policy_state import TABS
from amaze_proxy.store.embedded import EmbeddedValkey
from tests.app.browsing import CHROMIUM, QUIET, let_in
from tests.app.conftest import Platform
from tests.app.furnished import AGENTS, furnished

_WIDE, _NARROW = (1280, 800), (400, 800)
_ALSO_NARROW = ("overview", "agents", "agent", "traces", "trace", "policy-form")
_MAX_BYTES = 150_000


def _named(trace_id: str) -> Iterator[tuple[str, str]]:
    """Each page's name and its address."""
    for route in routes.PAGES:
        if route != routes.ENDED:
            yield route.strip("/"), route
    yield "agent", routes.agent(AGENTS[0])
    yield "trace", routes.trace(trace_id)
    for tab in TABS:
        yield f"policy-{tab}", routes.policy(AGENTS[0], tab=tab)


def _take(page: Page, target: Path, size: tuple[int, int]) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    expect(page.locator(".a-skeleton")).to_have_count(0)
    picture = page.screenshot(animations="disabled")
    if len(picture) > _MAX_BYTES:
        raise SystemExit(f"{target.name} has {len(picture)} bytes, at most {_MAX_BYTES}")
    target.write_bytes(picture)


def _take_all(platform: Platform, page: Page, scheme: str, directory: Path, trace_id: str) -> None:
    page.goto(routes.LOGIN)
    _take(page, directory / f"login-{scheme}.png", _WIDE)
    let_in(page.context, platform)
    for name, path in _named(trace_id):
        page.goto(path)
        expect(page.locator("#live")).to_have_text("live")
        _take(page, directory / f"{name}-{scheme}.png", _WIDE)
        if name in _ALSO_NARROW:
            _take(page, directory / f"{name}-{scheme}-400.png", _NARROW)


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
            with furnished(platform) as trace_id, sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
                for scheme in ("dark", "light"):
                    # the login page and the application both follow what the system prefers
                    page = browser.new_page(base_url=platform.url, color_scheme=scheme)
                    _take_all(platform, page, scheme, directory, trace_id)
                browser.close()
        finally:
            platform.stop()
            valkey.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
