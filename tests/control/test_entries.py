"""Laws of the transitions, whatever the entry."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.control import entries
from amaze_proxy.control.errors import ClaimChanged, ControlError, EntryBarred, EntryExists
from amaze_proxy.history.registry import EntryClaim, EntryKind, EntryRecord

NOW = 1_000_000
HERE, THERE = "http://here/", "http://there/"

records = st.builds(
    EntryRecord,
    kind=st.just(EntryKind.MCP),
    name=st.just("s"),
    url=st.just(HERE),
    status=st.sampled_from(["pending", "approved", "rejected"]),
    created_ms=st.just(1),
    updated_ms=st.just(1),
    claim=st.none() | st.just(EntryClaim(THERE, ("t",), 2)),
)
seen = st.sampled_from(["", HERE, THERE, "http://other/"])
judgements = st.sampled_from([entries.approve, entries.reject])


@given(records, judgements, seen)
def test_a_judgement_again_changes_nothing_once_nothing_waits(record, judge, url) -> None:
    with suppress(ClaimChanged):
        after = judge(record, NOW, url)
        if after.claim is None:
            last = judge(after, NOW + 1)
            assert judge(last, NOW + 2) == last


@given(records, judgements, seen)
def test_a_server_moves_only_to_what_waits_and_only_by_approval(record, judge, url) -> None:
    with suppress(ClaimChanged):
        after = judge(record, NOW, url)
        if after.url != record.url:
            assert judge is entries.approve
            assert after.url == record.claim.url
            assert (after.status, after.claim, after.tools) == ("approved", None, ("t",))
            assert url == THERE or record.status == "approved"


@given(records, judgements)
def test_only_what_was_looked_at_is_judged(record, judge) -> None:
    with pytest.raises(ClaimChanged):
        judge(record, NOW, "http://other/")


@given(records)
def test_a_url_named_in_a_rejection_stops_it(record) -> None:
    assert entries.reject(record, NOW, HERE).status == "rejected"
    assert entries.reject(record, NOW, HERE).claim is None
    if record.claim:
        after = entries.reject(record, NOW, THERE)
        assert (after.status, after.claim) == (record.status, None)


@given(records)
def test_a_claim_changes_nothing_but_what_waits(record) -> None:
    if record.status == "rejected":
        with pytest.raises(EntryBarred, match="approve or delete"):
            entries.claimed(record, THERE, None, NOW)
    else:
        after = entries.claimed(record, "http://new/", ("n",), NOW)
        assert after.claim == EntryClaim("http://new/", ("n",), NOW)
        assert replace(after, claim=record.claim, updated_ms=record.updated_ms) == record


@given(records)
def test_proof_moves_and_keeps_the_status(record) -> None:
    after = entries.moved(record, "http://new/", None, NOW)
    assert (after.url, after.status, after.tools) == ("http://new/", record.status, record.tools)
    assert after.claim is None
    assert entries.moved(record, HERE, ("n",), NOW).tools == ("n",)


@given(records)
def test_what_is_deleted_is_not_there(record) -> None:
    gone = entries.delete(record, NOW)
    assert gone.deleted
    for attempt in (
        lambda: entries.existing(gone, EntryKind.MCP, "s"),
        lambda: entries.existing(record, EntryKind.LLM, "s"),
        lambda: entries.existing(None, EntryKind.MCP, "s"),
        lambda: entries.not_being_deleted(gone),
        lambda: entries.created(gone, record),
    ):
        with pytest.raises(ControlError):
            attempt()
    assert entries.existing(record, EntryKind.MCP, "s") == record


@given(records)
def test_creating_the_same_again_is_no_mistake(record) -> None:
    wanted = replace(record, claim=None, created_ms=NOW)
    assert entries.created(None, wanted) == wanted
    assert entries.created(record, wanted) == record
    with pytest.raises(EntryExists, match=HERE):
        entries.created(record, replace(wanted, url="http://new/"))
