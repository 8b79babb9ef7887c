"""Opens every page of the UI over an archive with 1,000,000 calls (bar: 1 s each), then fifty tabs
with calls arriving (bar: 300 MB of memory).

    PYTHONPATH=. python benchmarks/pages.py [--database FILE] [--opens 7] [--seconds 60]

A page is open when what it shows is on the screen of a Chromium that has its files already: the
time runs from the navigation on. A FILE that has calls is used as it is.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import httpx
from figures import load, write
from fill import AGENTS, TOOLS, filled
from playwright.sync_api import Page, sync_playwright
from processes import cpu_ms, rss_mb

from amaze_app import build, routes
from amaze_proxy.history.bundle import open_history
from amaze_proxy.store.embedded import EmbeddedValkey
from tests.app.browsing import CHROMIUM, QUIET, sign_in
from tests.app.conftest import Platform
from tests.app.test_socket import Closed, Tab

BAR_MS, BAR_MB, TABS = 1000.0, 300.0, 50
WARM_OPENS = 2
EVERY_S = 0.2  # a call comes
_POLICY = {"name": "bench", "allowed_llm_providers": ["openai"], "allowed_tools": TOOLS[:5]}
_SHOWN = """window.shown = new Promise(done => {
  const look = () => {
    const who = document.querySelector("#who")?.textContent;
    const busy = document.querySelector(".a-skeleton");
    const there = document.querySelector(SELECTOR);
    who && there && !busy ? done(performance.now()) : requestAnimationFrame(look);
  };
  look();
});"""


@dataclass(frozen=True)
class Opened:
    """A page, and what it has on it when its data is shown."""

    title: str
    path: str
    has: str = "main tbody tr"


def pages(trace_id: str) -> list[Opened]:
    """Every page, and the same with what is hardest for it."""
    agent = AGENTS[3]
    return [
        Opened("Overview", routes.OVERVIEW),
        Opened("Overview, 7 days", f"{routes.OVERVIEW}?period=7d"),
        Opened("Agents", routes.AGENTS),
        Opened("Agent dashboard", routes.agent(agent)),
        Opened("Agent dashboard, 7 days", routes.agent(agent, period="7d")),
        Opened("Policy", routes.policy(agent), "main input, main textarea"),
        Opened("Policy, versions", routes.policy(agent, tab="versions")),
        Opened("Traces", routes.TRACES),
        Opened("Traces, with a tool", f"{routes.TRACES}?tool={TOOLS[5]}"),
        Opened("Traces, with a text", f"{routes.TRACES}?text=needle"),
        Opened("Trace", routes.trace(trace_id), "[data-step]"),
        Opened("Alerts", routes.ALERTS),
        Opened("MCP servers", routes.MCP),
        Opened("LLM providers", routes.LLMS),
        Opened("Audit", routes.AUDIT),
        Opened("Audit, all records", f"{routes.AUDIT}?agent=*"),
        Opened("Users and API keys", routes.PEOPLE),
        Opened("Settings", routes.SETTINGS),
    ]


@contextmanager
def stack(database: Path, directory: Path) -> Iterator[Platform]:
    """Store, control API, proxy and UI on this archive, with its agents registered."""
    valkey = EmbeddedValkey(directory / "valkey")
    valkey.start()
    platform = Platform(directory, valkey)
    platform.env["AMAZE_DATABASE_URL"] = f"sqlite:///{database}"
    try:
        platform.start()
        furnish(platform)
        yield platform
    finally:
        platform.stop()
        valkey.stop()


def furnish(platform: Platform) -> None:
    """What the filler has not: the agents themselves, policies, a server, somebody to sign in. On
    a database of an earlier run they are there already."""
    headers = {"Authorization": f"Bearer {platform.admin_key}"}
    with httpx.Client(
        base_url=platform.control_url, headers=headers, trust_env=False, timeout=60
    ) as api:
        for agent_id in AGENTS:
            _made(api.post("/agents", json={"agent_id": agent_id, "policy": _POLICY}))
        server = {"name": "server", "url": "http://127.0.0.1:9/mcp"}
        _made(api.post("/register?kind=mcp", json=server))
        names = {one["name"] for one in api.get("/auth/users").json()["users"]}
    platform.people |= names & {"the-admin"}


def _made(answer: httpx.Response) -> None:
    assert answer.is_success or answer.status_code == 409, answer.text


@dataclass(frozen=True)
class Times:
    """Milliseconds of the openings of a page; `cpu` what each cost the UI process."""

    title: str
    middle: float
    slowest: float
    cpu: float

    @property
    def row(self) -> tuple[str, ...]:
        times = (f"{one:.0f} ms" for one in (self.middle, self.slowest, self.cpu))
        return (self.title, *times, _word(self.middle < BAR_MS))


def open_pages(platform: Platform, wanted: Sequence[Opened], opens: int) -> list[Times]:
    """Opens each of them this often."""
    found, pid = [], platform.processes["ui"].pid
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        context = browser.new_context(
            base_url=platform.url, viewport={"width": 1280, "height": 860}
        )
        first = context.new_page()
        sign_in(first, platform)
        first.close()
        for one in wanted:
            page = context.new_page()
            page.add_init_script(_SHOWN.replace("SELECTOR", repr(one.has)))
            for _ in range(WARM_OPENS):
                _open(page, one.path)
            worked = cpu_ms(pid)
            times = [_open(page, one.path) for _ in range(opens)]
            cpu = (cpu_ms(pid) - worked) / opens
            page.close()
            found.append(Times(one.title, median(times), max(times), cpu))
            print(*found[-1].row, sep="\t", flush=True)
        browser.close()
    return found


def _open(page: Page, path: str) -> float:
    page.goto(path, wait_until="commit")
    return float(page.evaluate("window.shown"))


@dataclass(frozen=True)
class Memory:
    """Of the UI process, in MB; `cpu` its share of a core while the tabs were open."""

    before: float
    most: float
    after: float
    cpu: float
    updates: int
    calls: int


def open_tabs(platform: Platform, wanted: Sequence[Opened], seconds: float) -> Memory:
    """Fifty tabs on these pages in turn, each read as a browser reads it, while calls come."""
    pid = platform.processes["ui"].pid
    before, cookie = rss_mb(pid), platform.sign_in()
    agent_id = f"live-{secrets.token_hex(4)}"
    credential = platform.register(agent_id)
    with ExitStack() as closing:
        tabs = []
        for number in range(TABS):
            tab = Tab(platform, Origin=platform.url, Cookie=cookie)
            closing.callback(tab.close)
            tab.connect(wanted[number % len(wanted)].path.partition("?")[0])
            threading.Thread(target=_read, args=[tab], daemon=True).start()
            tabs.append(tab)
        began, worked, sizes, calls = time.monotonic(), cpu_ms(pid), [rss_mb(pid)], 0
        while (passed := time.monotonic() - began) < seconds:
            platform.call(agent_id, credential)
            calls += 1
            sizes.append(rss_mb(pid))
            time.sleep(EVERY_S)
        share = (cpu_ms(pid) - worked) / 1000 / passed
        updates = sum(len(tab.deltas()) for tab in tabs)
    return Memory(before, max(sizes), sizes[-1], share, updates, calls)


def _read(tab: Tab) -> None:
    try:
        tab.read_until(lambda _packet: False)
    except (Closed, OSError):
        return


def run(database: Path, directory: Path, opens: int, seconds: float) -> bool:
    """Prints, writes the report; whether all bars are met."""
    trace_id = asyncio.run(_some_trace(database))
    wanted = pages(trace_id)
    with stack(database, directory) as platform:
        times = open_pages(platform, wanted, opens)
        memory = open_tabs(platform, wanted, seconds)
    print(memory)
    command = "`PYTHONPATH=. python benchmarks/pages.py`"
    write(
        "Pages of the UI with 1,000,000 calls",
        f"{command}: from the navigation in Chromium until the data is shown, {opens} openings; "
        f"bar {BAR_MS / 1000:g} s. CPU is that of the UI process for one opening.",
        [("page", "median", "slowest", "CPU", "verdict"), *(one.row for one in times)],
    )
    write(
        f"Memory of the UI process with {TABS} tabs",
        f"{command}: tabs on all pages in turn, {memory.calls} calls in {seconds:g} s; bar "
        f"{BAR_MB:g} MB.",
        [
            ("without tabs", "most", "at the end", "CPU", "updates sent", "verdict"),
            (
                *(f"{one:.0f} MB" for one in (memory.before, memory.most, memory.after)),
                f"{memory.cpu:.0%} of a core",
                f"{memory.updates:,}",
                _word(memory.most < BAR_MB),
            ),
        ],
    )
    return memory.most < BAR_MB and all(one.middle < BAR_MS for one in times)


def _word(met: bool) -> str:
    return "pass" if met else "**fail**"


async def _some_trace(database: Path) -> str:
    history = await open_history(f"sqlite:///{database}")
    try:
        await filled(history, 1_000_000)
        print(f"load {load()}", flush=True)
        return f"{1_000_000 // 20:032x}"
    finally:
        await history.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--database", type=Path)
    parser.add_argument("--opens", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=60)
    given = parser.parse_args()
    build.build()
    with tempfile.TemporaryDirectory(prefix="amz-") as directory:
        database = given.database or Path(directory) / "calls.db"
        good = run(database.resolve(), Path(directory), given.opens, given.seconds)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
