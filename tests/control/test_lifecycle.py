"""Laws of the transitions, whatever the agent."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.control import lifecycle
from amaze_proxy.control.errors import ControlError, ReleaseBarred
from amaze_proxy.history.agents import AgentRecord, Claim, Credential, Endpoints

NOW = 1_000_000
HASHES = [f"{n:064x}" for n in range(1, 6)]

claims = st.none() | st.just(Claim("f" * 64, "session", Endpoints(), 1))
credentials = st.lists(
    st.builds(
        Credential, st.sampled_from(HASHES), st.just(1), st.sampled_from([0, 1, NOW, 2 * NOW])
    ),
    unique_by=lambda held: held.sha256,
).map(tuple)
statuses = st.sampled_from(["pending", "approved", "rejected", "quarantined"])
records = st.builds(
    AgentRecord,
    agent_id=st.just("a"),
    status=statuses,
    created_ms=st.just(1),
    updated_ms=st.just(1),
    released_status=st.sampled_from(["pending", "approved", "rejected"]),
    credentials=credentials,
    claim=claims,
)
moves = st.sampled_from(
    [lifecycle.approve, lifecycle.reject, lifecycle.quarantine, lifecycle.release]
)


@given(records, st.lists(moves, max_size=5))
def test_only_approval_ever_approves_what_was_not(record, path) -> None:
    approved = record.status == "approved" or (
        record.status == "quarantined" and record.released_status == "approved"
    )
    for move in path:
        with suppress(ControlError):
            record = move(record, NOW)
        approved = approved or move is lifecycle.approve
        assert approved or record.status != "approved"


@given(records)
def test_the_kill_switch_always_works(record) -> None:
    assert lifecycle.quarantine(record, NOW).status == "quarantined"


@given(records)
def test_quarantine_and_release_leave_the_agent_as_it_was(record) -> None:
    if record.status != "quarantined":
        back = lifecycle.release(lifecycle.quarantine(record, NOW), NOW)
        assert back.status == record.status
        assert back.credentials == record.credentials


@given(records, st.booleans(), st.booleans())
def test_what_an_admin_has_stopped_an_operator_does_not_release(record, first, second) -> None:
    running = record.status != "quarantined"
    stopped = lifecycle.quarantine(record, NOW, "ann", first)
    stopped = lifecycle.quarantine(stopped, NOW, "bob", second)
    assert stopped.admin_stopped is (first or second)
    if running:
        assert stopped.quarantined_by == ("bob" if second and not first else "ann")
    if first or second:
        with pytest.raises(ReleaseBarred, match="ask an admin"):
            lifecycle.release(stopped, NOW)
    free = lifecycle.release(stopped, NOW, first or second)
    assert (free.quarantined_by, free.admin_stopped, free.released_status) == ("", False, "")
    if running:
        assert free.status == record.status


@given(records, st.lists(moves, max_size=5))
def test_only_approval_makes_a_claim_a_credential(record, path) -> None:
    for move in path:
        with suppress(ControlError):
            record = move(record, NOW)
        if lifecycle.holds(record, "f" * 64, NOW):
            assert lifecycle.approve in path


@given(records, st.integers(0, 3 * NOW))
def test_rotation_never_prolongs_a_credential(record, grace) -> None:
    after = lifecycle.rotate(record, "e" * 64, NOW, grace)
    ends = {held.sha256: held.expires_ms or float("inf") for held in record.credentials}
    for held in after.credentials:
        if held.sha256 != "e" * 64:
            assert 0 < held.expires_ms <= ends[held.sha256]
            assert grace or not lifecycle.holds(after, held.sha256, NOW)
    assert lifecycle.holds(after, "e" * 64, 10 * NOW)


@given(records)
def test_a_tombstone_holds_nothing(record) -> None:
    after = lifecycle.delete(record, NOW)
    assert not any(lifecycle.holds(after, one, 0) for one in HASHES)
    assert after.claim is None
