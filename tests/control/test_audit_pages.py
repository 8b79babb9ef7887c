"""All records of an agent, page by page, from the archive and the stream."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.control.audit_pages import AuditCursor, read_audit_cursor
from amaze_proxy.policy.record import AuditRecord
from amaze_proxy.store.admission import Settlement
from tests.postgres import ON_BOTH

_NEXT = re.compile(r'<(/agents/a/audit\?[^>]+)>; rel="next"')


async def write(control, first, last):
    for number in range(first, last):
        # of one time, and settled in another order than they began
        record = AuditRecord(f"d{number}", 1000 - number % 3, "a", "llm")
        await control.store.gate.settle(Settlement(record.decision_id, "a", record))


async def pages(control, limit):
    """The decisions on each page."""
    url, found = f"/agents/a/audit?limit={limit}", []
    while url:
        answer = await control.ask("GET", url)
        assert answer.status_code == 200
        found.append([record["decision_id"] for record in answer.json()])
        link = _NEXT.fullmatch(answer.headers.get("link", ""))
        url = link[1] if link else ""
    return found


@ON_BOTH
@pytest.mark.parametrize("trimmed", ["", "part", "all"])
async def test_each_record_is_on_one_page(control, until, trimmed) -> None:
    await control.create("a")
    await write(control, 0, 7)
    last = (await control.store.audit.newest("a", 1))[0].entry_id

    async def archived():
        return (await control.history.archive.cursors()).get("a") == last

    await until(archived)
    if trimmed == "part":
        await control.store.audit.trim("a", (await control.store.audit.newest("a", 3))[2].entry_id)
    if trimmed == "all":
        await control.store.audit.trim("a", last)
    await write(control, 7, 10)
    expected = [f"d{number}" for number in range(9, -1, -1)]
    for limit in (1, 3, 4, 10, 11):
        found = await pages(control, limit)
        assert [one for page in found for one in page] == expected
        assert all(len(page) == limit for page in found[:-1])


async def test_what_comes_meanwhile_shifts_nothing(control) -> None:
    await control.create("a")
    await write(control, 0, 4)
    first = await control.ask("GET", "/agents/a/audit?limit=2")
    await write(control, 4, 6)
    again = await control.ask("GET", _NEXT.fullmatch(first.headers["link"])[1])
    assert [record["decision_id"] for record in again.json()] == ["d1", "d0"]
    assert "link" not in again.headers


@pytest.mark.parametrize("cursor", ["", "x", "MTIz", "MS0y", "é", "_" * 5000])
async def test_a_wrong_cursor_is_named(control, cursor) -> None:
    answer = await control.ask("GET", "/agents/a/audit", params={"cursor": cursor})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "cursor"


@given(
    st.integers(0, 10**18 - 1),
    st.integers(0, 10**18 - 1),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=64),
)
def test_a_cursor_is_read_as_it_was_given_out(time, number, decision):
    cursor = AuditCursor(f"{time}-{number}", decision)
    assert read_audit_cursor(str(cursor)) == cursor


@given(st.text(max_size=200))
def test_any_text_is_a_cursor_or_an_error(text):
    try:
        found = read_audit_cursor(text)
    except ValueError:
        return
    assert read_audit_cursor(str(found)) == found
