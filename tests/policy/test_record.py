import hashlib
import json
from dataclasses import asdict, fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.policy.record import (
    GENESIS,
    AuditRecord,
    canonical,
    digest,
    from_json,
    seal,
    to_json,
)

PLAIN = AuditRecord(
    decision_id="d1", ts=1_700_000_000_000, agent_id="a1", kind="llm", input="Grüße", status=200
)


def chain(count: int) -> list[AuditRecord]:
    links: list[AuditRecord] = []
    for number in range(1, count + 1):
        before = links[-1].hash if links else GENESIS
        links.append(seal(replace(PLAIN, decision_id=f"d{number}"), "w1", number, before))
    return links


def intact(record: AuditRecord, prev_hash: str) -> bool:
    """Whether it is unchanged, and follows the record that hashed to `prev_hash`."""
    return seal(record, record.writer, record.seq, prev_hash) == record


def broken_at(links: list[AuditRecord]) -> int | None:
    """The first link that does not follow."""
    before = GENESIS
    for number, one in enumerate(links, start=1):
        if one.seq != number or not intact(one, before):
            return number
        before = one.hash
    return None


def test_canonical_is_sorted_json_without_the_hash() -> None:
    text = canonical(seal(PLAIN, "w1", 1, GENESIS))
    body = json.loads(text)
    assert list(body) == sorted(body)
    assert "hash" not in body
    assert set(body) | {"hash"} == {one.name for one in fields(AuditRecord)}
    assert '"input":"Grüße"' in text
    assert ", " not in text
    assert '": ' not in text


def test_the_hash_is_over_the_previous_hash_and_the_canonical_text() -> None:
    one = seal(PLAIN, "w1", 7, GENESIS)
    assert (one.writer, one.seq, one.prev_hash) == ("w1", 7, GENESIS)
    assert one.hash == hashlib.sha256((GENESIS + canonical(one)).encode()).hexdigest()
    assert one.hash == digest(GENESIS, canonical(one))
    assert replace(one, writer="", seq=0, prev_hash="", hash="") == PLAIN


def test_a_chain_is_intact() -> None:
    links = chain(4)
    assert broken_at(links) is None
    assert not intact(links[1], GENESIS)


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_removed_reordered_or_repeated_link_is_found(at: int) -> None:
    links = chain(4)
    assert broken_at(links[:at] + links[at + 1 :]) == at + 1
    assert broken_at([*links[:at], links[at + 1], links[at], *links[at + 2 :]]) == at + 1
    assert broken_at([*links[: at + 1], links[at], *links[at + 1 :]]) == at + 2


@pytest.mark.parametrize("name", [one.name for one in fields(AuditRecord)])
def test_any_changed_field_is_found(name: str) -> None:
    one = seal(PLAIN, "w1", 1, GENESIS)
    value = getattr(one, name)
    other: Any = (
        not value if isinstance(value, bool) else value + ("x" if value == str(value) else 1)
    )
    assert not intact(replace(one, **{name: other}), GENESIS)


@given(st.data())
def test_one_byte_changed_in_storage_is_found(data: st.DataObject) -> None:
    one = seal(PLAIN, "w1", 1, GENESIS)
    raw = to_json(one).encode()
    at = data.draw(st.integers(0, len(raw) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != raw[at]))
    changed = raw[:at] + bytes([byte]) + raw[at + 1 :]
    try:
        got = from_json(changed)
    except ValueError:
        return
    # `0e0` for `0.0` is another spelling of the same record
    assert not intact(got, GENESIS) or got == one


TEXTS = st.text(st.characters(exclude_categories=[]))


@given(TEXTS, TEXTS, st.floats(allow_nan=False, allow_infinity=False), st.integers())
def test_a_stored_record_comes_back_intact(
    body: str, target: str, latency: float, tokens: int
) -> None:
    one = seal(
        replace(PLAIN, output=body, target=target, latency_ms=latency, tokens_in=tokens),
        "w1",
        1,
        GENESIS,
    )
    back = from_json(to_json(one))
    assert back == one
    assert intact(back, GENESIS)


def test_a_number_of_milliseconds_may_be_whole() -> None:
    assert from_json(json.dumps({**asdict(PLAIN), "latency_ms": 3})).latency_ms == 3


def test_a_lone_surrogate_does_not_stop_a_record() -> None:
    one = seal(replace(PLAIN, output="\ud800"), "w1", 1, GENESIS)
    assert intact(one, GENESIS)


@pytest.mark.parametrize(
    "text",
    [
        *("", "5", "[]", "{}", json.dumps({**asdict(PLAIN), "more": 1}), b"\xff", "[" * 100_000),
        json.dumps({**asdict(PLAIN), "seq": "1"}),
        json.dumps({**asdict(PLAIN), "denied": 0}),
        json.dumps({**asdict(PLAIN), "tokens_in": None}),
    ],
)
def test_what_is_no_record_is_refused(text: str | bytes) -> None:
    with pytest.raises(ValueError):
        from_json(text)
