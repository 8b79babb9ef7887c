from __future__ import annotations

import pytest

from amaze_proxy.history.bundle import History
from amaze_proxy.history.queries import EVERYTHING, Filter, Viewer, read_cursor
from amaze_proxy.history.rollups import Dimension
from amaze_proxy.history.statistics import Named, Numbers, Period
from tests.history.calls import Book

HOUR = 3600
START = 1_900_000_800 // HOUR * HOUR


async def fill(history: History) -> None:
    book = Book(history)
    at = START * 1000
    book.call("a", ts=at, model="m", tokens_in=10, tokens_out=5, cost_microusd=7, latency_ms=100.0)
    book.call("a", ts=at + 61_000, kind="mcp", tool="s/x", latency_ms=300.0)
    refused = {"denied": True, "denial_reason": "tool-not-allowed", "latency_ms": 1.0}
    book.call("b", ts=at + 62_000, kind="mcp", tool="s/x", alert="tool-not-allowed", **refused)
    book.call("b", ts=at + HOUR * 1000, kind="a2a", target="a", alert="x", latency_ms=100.0)
    await book.save()


@pytest.mark.parametrize("agents", [None, frozenset("ab")])
@pytest.mark.parametrize("bucket", [60, HOUR])
async def test_buckets_and_totals(history: History, agents, bucket: int) -> None:
    await fill(history)
    period = Period(START, START + 2 * HOUR, bucket)
    found = await history.statistics.of(Viewer(agents), period)
    assert found.total.numbers == Numbers(4, 1, 10, 5, 7)
    assert found.total.p50_ms == pytest.approx(100, rel=0.05)
    assert found.total.p95_ms == pytest.approx(300, rel=0.05)
    assert len(found.buckets) == 2 * HOUR // bucket
    busy = {one.start_s - START: one.numbers.calls for one in found.buckets if one.numbers.calls}
    assert busy == ({0: 1, 60: 2, HOUR: 1} if bucket == 60 else {0: 3, HOUR: 1})
    assert found.by == {
        Dimension.TOOL: (Named("s/x", Numbers(2, 1)),),
        Dimension.PEER: (Named("a", Numbers(1)),),
        Dimension.MODEL: (Named("m", Numbers(1, 0, 10, 5, 7)),),
        Dimension.REASON: (Named("tool-not-allowed", Numbers(1, 1)), Named("x", Numbers(1))),
    }


async def test_an_agent_is_counted_alone_and_refusals_have_no_latency(history: History) -> None:
    await fill(history)
    period = Period(START, START + HOUR, HOUR)
    found = await history.statistics.of(Viewer(frozenset("b")), period)
    assert found.total.numbers == Numbers(1, 1)
    assert found.total.p50_ms is None
    nobody = await history.statistics.of(Viewer(frozenset(("",))), period)
    assert nobody.total.numbers == Numbers()


async def test_a_call_of_unknown_latency_is_counted_without_one(history: History) -> None:
    book = Book(history)
    book.call("a", ts=START * 1000, error="abandoned: the worker died", latency_ms=0.0)
    await book.save()
    period = Period(START, START + HOUR, HOUR)
    found = (await history.statistics.of(Viewer(frozenset("a")), period)).total
    assert (found.numbers, found.p50_ms, found.p95_ms) == (Numbers(1), None, None)


async def test_alerts_by_reason_and_page_by_page(history: History) -> None:
    await fill(history)
    period = Period(START, START + HOUR, HOUR)
    assert [one.name for one in await history.statistics.reasons(EVERYTHING, period)] == [
        "tool-not-allowed"
    ]
    first = await history.alerts.page(EVERYTHING, Filter(), None, 1)
    assert [one.reasons for one in first.alerts] == [("x",)]
    assert first.following is not None
    following = read_cursor(str(first.following))
    second = await history.alerts.page(EVERYTHING, Filter(), following, 1)
    assert [(one.agent_id, one.reasons) for one in second.alerts] == [("b", ("tool-not-allowed",))]
    assert second.following is None


async def test_an_alarm_is_an_alert_though_no_call_and_an_act_is_neither(history: History) -> None:
    book = Book(history)
    book.call("a", kind="admin", ts=START * 1000, alert="chain-broken", caller="archiver")
    book.call("_admin", kind="admin", ts=START * 1000, tool="approve")
    await book.save()
    (alert,) = (await history.alerts.page(EVERYTHING, Filter(), None, 9)).alerts
    assert (alert.agent_id, alert.reasons) == ("a", ("chain-broken",))
    found = await history.statistics.of(EVERYTHING, Period(START, START + HOUR, HOUR))
    assert found.total.numbers == Numbers()
    assert found.by[Dimension.REASON] == (Named("chain-broken", Numbers(1)),)
    assert found.by[Dimension.TOOL] == ()


@pytest.mark.parametrize(
    ("filter_", "agents", "count"),
    [
        (Filter(reason="x"), None, 1),
        (Filter(reason="x", agent_id="b"), None, 1),
        (Filter(reason="x", agent_id="a"), None, 0),
        (Filter(agent_id="b"), frozenset("a"), 0),
        (Filter(), frozenset("ab"), 2),
        (Filter(), frozenset(), 0),
        (Filter(until_ms=(START + HOUR) * 1000), None, 1),
        (Filter(since_ms=(START + HOUR) * 1000), None, 1),
    ],
)
async def test_alerts_of_a_filter(history: History, filter_, agents, count: int) -> None:
    await fill(history)
    page = await history.alerts.page(Viewer(agents), filter_, None, 10)
    assert len(page.alerts) == count
