from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlmodel import Session, select

from amaze_proxy.history import traces
from amaze_proxy.history.archive_tables import CallRow
from amaze_proxy.history.bundle import History
from amaze_proxy.history.queries import EVERYTHING, Cursor, Filter, Viewer, read_cursor
from tests.history.calls import Book


@pytest.fixture
def book(history: History) -> Book:
    return Book(history)


async def ids(history: History, filter_: Filter = Filter(), viewer: Viewer = EVERYTHING):  # noqa: B008
    """All pages of two."""
    found: list[str] = []
    cursor: Cursor | None = None
    while True:
        page = await history.traces.page(viewer, filter_, cursor, 2)
        found += [one.trace_id for one in page.traces]
        cursor = page.following
        if cursor is None:
            return found
        assert read_cursor(str(cursor)) == cursor


async def test_without_calls_there_is_no_trace(history: History) -> None:
    assert await ids(history) == []


async def test_the_trace_that_went_on_last_comes_first(history: History, book: Book) -> None:
    for trace_id in ("t1", "t2", "t3", "t1", "", "t2", "t4", "t5"):
        book.call(trace_id=trace_id)
    await book.save()
    assert await ids(history) == ["t5", "t4", "t2", "t1", "t3"]


async def test_calls_of_one_time_are_all_found(history: History, book: Book) -> None:
    for number in range(7):
        book.call(trace_id=f"t{number}", ts=1000)
    await book.save()
    assert await ids(history) == [f"t{number}" for number in range(6, -1, -1)]


async def test_what_comes_while_one_pages_does_not_shift_the_pages(
    history: History, book: Book
) -> None:
    for number in range(4):
        book.call(trace_id=f"t{number}")
    await book.save()
    first = await history.traces.page(EVERYTHING, Filter(), None, 2)
    book.call(trace_id="t0")
    book.call(trace_id="t9")
    await book.save()
    second = await history.traces.page(EVERYTHING, Filter(), first.following, 2)
    assert [one.trace_id for one in second.traces] == ["t1", "t0"]
    assert second.following is None


@pytest.mark.parametrize(
    ("filter_", "found"),
    [
        (Filter(agent_id="b"), ["t3", "t2"]),
        (Filter(kind="mcp"), ["t2"]),
        (Filter(tool="server/x"), ["t2"]),
        (Filter(tool="server/x", agent_id="a"), []),
        (Filter(model="m"), ["t1"]),
        (Filter(reason="tool-not-allowed"), ["t2"]),
        (Filter(reason="budget_exceeded"), ["t4", "t3"]),
        (Filter(reason="budget_exceeded", agent_id="b"), ["t3"]),
        (Filter(reason="other"), []),
        (Filter(status=502), ["t1"]),
        (Filter(verdict="denied"), ["t2"]),
        (Filter(verdict="shadow"), ["t3"]),
        (Filter(verdict="error"), ["t4"]),
        (Filter(verdict="allowed"), ["t4", "t1"]),
        (Filter(text="HELLO"), ["t1"]),
        (Filter(text='"quoted"'), ["t1"]),
        (Filter(text="100%"), ["t3"]),
        (Filter(text="10_%"), []),
        (Filter(text="decision_id"), []),
        (Filter(since_ms=3000), ["t4", "t3"]),
        (Filter(until_ms=3000), ["t2", "t1"]),
        (Filter(since_ms=2000, until_ms=3000), ["t2"]),
    ],
)
async def test_filters(history: History, book: Book, filter_: Filter, found: list[str]) -> None:
    book.call("a", "t1", ts=1000, model="m", status=502, input='say "quoted" Hello')
    denied = {"denied": True, "denial_reason": "tool-not-allowed"}
    book.call("b", "t2", ts=2000, kind="mcp", tool="server/x", **denied)
    book.call("b", "t3", ts=3000, would_deny="budget_exceeded", output="100% sure")
    book.call("a", "t4", ts=4000, alert="budget_exceeded,x")
    book.call("a", "t4", ts=4001, error="broken off")
    await book.save()
    assert await ids(history, filter_) == found


@pytest.mark.parametrize(
    ("agents", "found"),
    [({"a"}, ["t3", "t1"]), ({"b"}, ["t3", "t2"]), ({"a", "b"}, ["t3", "t2", "t1"]), ((), [])],
)
async def test_a_viewer_sees_its_own_agents_alone(
    history: History, book: Book, agents: set[str], found: list[str]
) -> None:
    book.call("a", "t1", tokens_in=1)
    book.call("b", "t2")
    book.call("a", "t3", tokens_in=2)
    book.call("b", "t3", tokens_in=4, denied=True, denial_reason="r")
    await book.save()
    viewer = Viewer(frozenset(agents))
    assert await ids(history, viewer=viewer) == found
    page = await history.traces.page(viewer, Filter(), None, 10)
    assert all(set(one.agents) <= set(agents) for one in page.traces)
    calls = await history.traces.calls(viewer, "t3", 10, 1000)
    assert {record.agent_id for record in calls.records} <= set(agents)
    assert await ids(history, Filter(agent_id="c"), viewer) == []


async def test_a_viewer_of_very_many_agents(
    history: History, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("amaze_proxy.history.queries._AGENTS_MERGED", 1)
    for number, agent in enumerate("abcab"):
        book.call(agent, f"t{number}")
    await book.save()
    assert await ids(history, viewer=Viewer(frozenset("ab"))) == ["t4", "t3", "t1", "t0"]


async def test_a_summary_is_of_all_calls_of_the_trace(history: History, book: Book) -> None:
    book.call("b", "t", ts=2000, latency_ms=500.0, tokens_in=1, cost_microusd=5, model="m")
    book.call("a", "t", ts=1000, latency_ms=10.0, tokens_out=2, alert="x")
    book.call("a", "t", ts=1500, denied=True, denial_reason="r", error="e")
    await book.save()
    (one,) = (await history.traces.page(EVERYTHING, Filter(model="m"), None, 5)).traces
    assert one == traces.TraceSummary("t", ("a", "b"), 1000, 2500, 3, 1, 1, 1, 1, 2, 5, what=("m",))
    calls = await history.traces.calls(EVERYTHING, "t", 10, 1000)
    assert traces.summarised("t", calls.records) == one
    assert one.verdict == "denied"


@pytest.mark.parametrize(
    ("more", "verdict"),
    [({}, "allowed"), ({"error": "e"}, "error"), ({"alert": "a", "error": "e"}, "alert")],
)
async def test_the_gravest_verdict(history: History, book: Book, more, verdict: str) -> None:
    book.call(**more)
    book.call()
    await book.save()
    (one,) = (await history.traces.page(EVERYTHING, Filter(), None, 5)).traces
    assert one.verdict == verdict


async def test_a_trace_is_cut_and_says_so(history: History, book: Book) -> None:
    for _ in range(3):
        book.call(input="12345", output="67890")
    await book.save()
    cut = await history.traces.calls(EVERYTHING, "t", 2, 15)
    assert [(one.input, one.truncated) for one in cut.records] == [("12345", False), ("", True)]
    assert not cut.whole
    assert (await history.traces.calls(EVERYTHING, "t", 3, 1000)).whole


async def test_a_record_of_another_version_is_shown(history: History, book: Book) -> None:
    book.call(input="kept")
    await book.save()

    def rewrite(session: Session) -> None:
        row = session.exec(select(CallRow)).one()
        body = {**json.loads(row.record), "later": 1}
        del body["limits"]
        row.record = json.dumps(body)

    await history.database.write(rewrite)
    (one,) = (await history.traces.calls(EVERYTHING, "t", 9, 1000)).records
    assert (one.input, one.limits) == ("kept", "")


CALLS = st.lists(
    st.tuples(
        st.sampled_from("ab"), st.sampled_from("stuvw"), st.integers(1, 6), st.sampled_from("xy")
    ),
    max_size=25,
)


@settings(max_examples=20)
@given(
    calls=CALLS,
    size=st.integers(1, 9),
    tool=st.sampled_from(["", "x"]),
    text=st.sampled_from(["", "b", "x"]),
    agents=st.sampled_from([None, frozenset("a"), frozenset("ab")]),
)
async def test_pages_have_every_trace_once_in_order_however_small_the_window(
    history: History, monkeypatch: pytest.MonkeyPatch, calls, size, tool, text, agents
) -> None:
    monkeypatch.setattr(traces, "WINDOW", size)
    monkeypatch.setattr(traces, "TEXT_WINDOW", size)
    await history.database.write(_emptied)
    book = Book(history)
    made = [
        book.call(agent, trace, ts=ts, tool=tool_, input=agent + tool_)
        for agent, trace, ts, tool_ in calls
    ]
    await book.save()
    agent_first = sorted(range(len(made)), key=lambda n: (made[n].agent_id != first(made), n))
    order = sorted(agent_first, key=lambda n: (-made[n].ts, -agent_first.index(n)))
    wanted = [
        made[n].trace_id
        for n in order
        if (not tool or made[n].tool == tool)
        and text in made[n].input
        and (agents is None or made[n].agent_id in agents)
    ]
    found = await ids(history, Filter(tool=tool, text=text), Viewer(agents))
    assert found == list(dict.fromkeys(wanted))


def first(made) -> str:
    return made[0].agent_id if made else ""


def _emptied(session) -> None:
    for table in ("call", "alert", "call_sum", "archive_cursor", "archive_chain", "archive_flaw"):
        session.connection().exec_driver_sql(f"DELETE FROM {table}")


@pytest.mark.parametrize("text", ["", "x", "MS4yLjM.", "é", "MS4y", "LTEuMi4z", "A" * 200])
def test_a_cursor_that_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="is no cursor"):
        read_cursor(text)


async def test_one_call_of_a_trace_and_whether_there_are_newer(
    history: History, book: Book
) -> None:
    first = book.call("a", "t", input="whole")
    await book.save()
    before = await history.traces.newest(EVERYTHING, "t")
    book.call("b", "t", tool="x", model="m")
    book.call("b", "t", tool="x")
    await book.save()
    assert await history.traces.newest(EVERYTHING, "t") > before > 0
    assert await history.traces.newest(EVERYTHING, "nothing") == 0
    assert await history.traces.call(EVERYTHING, "t", first.decision_id) == first
    assert await history.traces.call(EVERYTHING, "other", first.decision_id) is None
    other = Viewer(frozenset("b"))
    assert await history.traces.call(other, "t", first.decision_id) is None
    assert await history.traces.newest(Viewer(frozenset("c")), "t") == 0


async def test_a_page_names_the_first_things_called(history: History, book: Book) -> None:
    for name in ("one", "one", "two", "three", "four"):
        book.call("a", "t", tool=name, model="m")
    book.call("a", "u", target="host")
    book.call("b", "u", tool="not-mine")
    book.call("a", "v")
    await book.save()
    page = await history.traces.page(Viewer(frozenset("a")), Filter(), None, 9)
    named = {one.trace_id: one.what for one in page.traces}
    assert named == {"t": ("one", "two", "three"), "u": ("host",), "v": ()}


async def test_traces_with_a_call_of_a_target(history: History, book: Book) -> None:
    book.call("a", "t", kind="a2a", target="peer")
    book.call("a", "u", kind="a2a", target="peer-2")
    await book.save()
    page = await history.traces.page(EVERYTHING, Filter(kind="a2a", target="peer"), None, 9)
    assert [one.trace_id for one in page.traces] == ["t"]
