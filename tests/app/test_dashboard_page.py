"""The page of an agent: its numbers, what it is asked, what is done to it."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Page, expect

from amaze_app import charts, dashboard
from amaze_app.gateway.policies import parse
from amaze_app.gateway.traces import Dimension, Statistics
from amaze_app.pages import agent_chat
from amaze_app.policy_facts import Fact, facts
from amaze_proxy.control.console import Bucket, Named, Numbers, Period
from amaze_proxy.control.messages import Answered
from amaze_proxy.policy.record import AuditRecord
from tests.app import web
from tests.app.archived import archive, conversation
from tests.app.browsing import sign_in
from tests.app.conftest import Platform, until


def _statistics() -> Statistics:
    quiet = Bucket(0, Numbers(), None, None)
    busy = Bucket(60, Numbers(10, 2, 1500, 500, 4200), 20.0, 80.0)
    by = {
        Dimension.MODEL: (Named("m", Numbers(8, 0, 1500, 500, 4200)), Named("n", Numbers(2))),
        Dimension.TOOL: (Named("files/read", Numbers(3)),),
        Dimension.PEER: (Named("peer", Numbers(1)),),
        Dimension.REASON: (Named("tool-not-allowed", Numbers(2, 2)),),
    }
    return Statistics(Period(0, 120, 60), busy, (quiet, busy), by)


def test_the_numbers_on_top() -> None:
    assert dashboard.kpis(_statistics()) == dashboard.Kpis(
        calls="10",
        denied="2",
        denied_below="20 % of the calls",
        tokens="2k",
        tokens_below="1.5k in, 500 out",
        cost="$0.0042",
        p50="20 ms",
        p95="80 ms",
    )


def test_both_lines_of_a_chart_have_one_axis() -> None:
    lines = dashboard.lines(_statistics())
    assert (lines.calls.top, lines.denied.top) == ("10", "10")
    assert (lines.p50.top, lines.p95.top) == ("100", "100")
    assert (lines.since_ms, lines.until_ms) == (0, 120_000)


def test_one_value_alone_is_a_dot() -> None:
    assert charts.series([None, 5]).line == "M600.0 12.0 L600.0 12.0"


def test_slices_lead_to_the_traces_that_have_them() -> None:
    stats, kept = _statistics(), {"agent": "a", "period": "1h"}
    (tokens,) = dashboard.tokens(stats, **kept)
    assert (tokens.value, tokens.href) == (2000, "/traces?agent=a&period=1h&model=m")
    found = {one: dashboard.counted(stats, one, **kept)[0].href for one in stats.by}
    assert found[Dimension.TOOL] == "/traces?agent=a&period=1h&tool=files%2Fread"
    assert found[Dimension.PEER] == "/traces?agent=a&period=1h&kind=a2a&target=peer"
    assert found[Dimension.REASON] == "/traces?agent=a&period=1h&reason=tool-not-allowed"


def test_a_policy_in_words() -> None:
    assert facts(parse("name: nothing")) == [
        Fact("Mode", "flexible"),
        Fact("Enforcement", "enforce"),
        Fact("Models", "none"),
        Fact("Tools", "none"),
        Fact("Agents", "none"),
        Fact("A turn", "no limit"),
    ]
    text = """
mode: strict
graph: {start_step: 1, steps: [{step_id: 1, call_type: tool, callee_id: read}]}
allowed_llm_providers: [openai]
allowed_callers: [boss]
allowed_hosts: [example.org]
max_tokens_per_turn: 5000
max_cost_usd_per_turn: 0.5
token_rate_limits: [{window: 10m, max_tokens: 9000}]
cost_rate_limits: [{window: 1h, max_usd: 2}]
"""
    assert {one.name: one.text for one in facts(parse(text))} == {
        "Mode": "strict, a graph of 1 steps",
        "Enforcement": "enforce",
        "Models": "openai/*",
        "Tools": "by graph",
        "Agents": "by graph",
        "Hosts": "example.org",
        "Callers": "boss",
        "A turn": "5,000 tokens; $0.50",
        "Windows": "9,000 tokens in 10m; $2 in 1h",
    }


def test_a_reply_is_text_or_json_and_bounded() -> None:
    denied = AuditRecord("d1", 1, "a", "mcp", tool="t", denied=True, denial_reason="x")
    told = agent_chat._outcome(Answered("hello", "t1", "turn", (denied,)))
    assert (told["reply"], told["structured"], told["cut"]) == ("hello", False, "")
    (why,) = told["denials"]
    assert why.text.startswith("a was refused the tool t")
    assert why.href == "/traces/t1?call=d1"
    told = agent_chat._outcome(Answered({"é": 1}, "t1", "turn", ()))
    assert (told["reply"], told["structured"]) == ('{"é": 1}', True)
    told = agent_chat._outcome(Answered(["x" * 30_000], "t1", "turn", ()))
    assert (len(told["reply"]), told["structured"]) == (20_000, False)
    assert told["cut"] == "cut: it has 30,004 characters"


class _Chat(BaseHTTPRequestHandler):
    """An agent that makes a call that is refused, and answers when it is let go on."""

    go_on = threading.Event()
    proxy = ""

    def do_POST(self) -> None:
        length = int(self.headers["content-length"])
        message = json.loads(self.rfile.read(length))["message"]
        turn = {"X-Amaze-Turn": self.headers["x-amaze-turn"]}
        with web.client(proxy=self.proxy) as client:
            client.get("http://nowhere.example/secret-plans", headers=turn)
        self.go_on.wait(10)
        body = json.dumps({"reply": f"I heard: {message}"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Says nothing."""


@contextmanager
def _chatting() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Chat)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    _Chat.go_on.clear()
    try:
        yield server.server_port
    finally:
        _Chat.go_on.set()
        server.shutdown()
        thread.join()
        server.server_close()


def test_an_operator_writes_to_an_agent_and_follows_what_it_does(
    page: Page, platform: Platform, new_agent_id: str
) -> None:
    with _chatting() as port:
        credential = platform.register(new_agent_id, chat_host="127.0.0.1", chat_port=port)
        _Chat.proxy = f"http://{new_agent_id}:{credential}@127.0.0.1:{platform.proxy_port}"
        sign_in(page, platform, at=f"/agents/{new_agent_id}")
        expect(page.get_by_role("heading", name=new_agent_id)).to_be_visible()
        expect(page.get_by_text("only an approved agent takes messages")).to_be_visible()
        page.get_by_role("button", name="Approve").click()
        page.get_by_label("Message").fill("what is new?")
        page.get_by_role("button", name="Send").click()
        shown = page.locator("#exchanges")
        expect(shown).to_contain_text("at work")
        expect(page.get_by_label("Message")).to_have_value("")
        expect(shown.locator("li")).to_contain_text("denied")  # it has not answered yet
        expect(page.locator("#recent-traces tbody tr")).to_have_count(1)
        _Chat.go_on.set()
        expect(shown).to_contain_text("I heard: what is new?")
        expect(shown).to_contain_text(f"{new_agent_id} was refused")
        expect(page.get_by_role("button", name="Send")).to_be_enabled()
        shown.get_by_role("link", name="Open the trace").click()
        page.wait_for_url("**/traces/*")
    begun = [one for one in platform.acts() if one["tool"] == "agents.messages"]
    assert begun[0]["target"] == f"agents/{new_agent_id}"


def test_a_message_that_does_not_arrive_says_why(
    page: Page, platform: Platform, new_agent_id: str
) -> None:
    platform.register(new_agent_id, chat_host="127.0.0.1", chat_port=9)
    sign_in(page, platform, at=f"/agents/{new_agent_id}")
    page.get_by_role("button", name="Approve").click()
    page.get_by_label("Message").fill("hello")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#exchanges")).to_contain_text("could not be reached")
    expect(page.locator("#exchanges")).to_contain_text("failed")


def test_the_numbers_of_an_agent_and_the_way_to_its_traces(
    page: Page, platform: Platform, new_agent_id: str
) -> None:
    peer, trace_id = f"{new_agent_id}-peer", f"trace-{new_agent_id}"
    platform.register(new_agent_id)
    sign_in(page, platform, at=f"/agents/{new_agent_id}")
    expect(page.get_by_text("It has not called anything yet")).to_be_visible()
    refused = page.locator(".a-card", has_text="Denials").locator("p").nth(1)
    expect(refused).to_have_text("0")
    expect(refused).not_to_have_class(re.compile("--bad"))
    expect(page.get_by_text("It has none, so every call of it is refused")).to_be_visible()
    archive(platform, conversation(trace_id, new_agent_id, peer))
    row = page.locator(f"tr[data-trace='{trace_id}']")
    expect(row).to_be_visible()  # by push
    expect(page.locator("#tokens")).to_contain_text("gpt-4.1")
    page.get_by_role("link", name="1h", exact=True).click()
    page.wait_for_url("**?period=1h")
    expect(page.get_by_role("link", name="1h", exact=True)).to_have_attribute(
        "aria-current", "true"
    )
    page.locator("#peers svg circle").click(position={"x": 2, "y": 42})  # the ring is hollow
    page.wait_for_url(f"**/traces?agent={new_agent_id}&period=1h&kind=a2a&target={peer}")
    expect(row).to_be_visible()
    expect(page.locator("#traces tbody tr")).to_have_count(1)


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_who_may_not_is_offered_nothing(
    page: Page, platform: Platform, new_agent_id: str, role: str
) -> None:
    platform.register(new_agent_id)
    sign_in(page, platform, role, at=f"/agents/{new_agent_id}")
    if role == "operator":  # it is another one's
        expect(page.locator("#notice")).to_contain_text("no such agent, or it is not yours")
        expect(page.get_by_role("button", name="Connect")).to_have_count(0)
    else:
        expect(page.get_by_text("Who owns it, and admins")).to_be_visible()
    for name in ("Approve", "Send", "Rotate", "Owner"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)


def test_a_stop_and_who_did_it(page: Page, platform: Platform, new_agent_id: str) -> None:
    platform.register(new_agent_id)
    sign_in(page, platform, at=f"/agents/{new_agent_id}")
    page.get_by_role("button", name="Approve").click()
    page.get_by_role("button", name="Quarantine").click()
    page.locator("#confirm").get_by_role("button", name="Quarantine").click()
    expect(page.locator("main")).to_contain_text(f"quarantinedby {platform.person('admin')}")
    until(lambda: platform.agent(new_agent_id)["status"] == "quarantined")
    page.get_by_role("button", name="Release").click()
    expect(page.get_by_role("button", name="Quarantine")).to_be_visible()
    page.goto("/overview")
    expect(page.locator("#fleet")).to_contain_text(new_agent_id)
