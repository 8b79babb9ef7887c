from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.policy.chain import (
    CHANGED,
    INSERTED,
    KEPT,
    REMOVED,
    REORDERED,
    Chains,
    Flaw,
    escaped,
    link_of,
    read_link,
)
from amaze_proxy.policy.record import GENESIS, AuditRecord, as_body, from_json, seal, to_json


def chain(count: int, writer: str = "w", **more: str) -> list[AuditRecord]:
    records: list[AuditRecord] = []
    for seq in range(1, count + 1):
        before = records[-1].hash if records else GENESIS
        records.append(seal(AuditRecord(f"d{seq}", seq, "a", "llm", **more), writer, seq, before))
    return records


def followed(records: list[AuditRecord], **more: object) -> Chains:
    chains = Chains(**more)  # type: ignore[arg-type]
    for place, record in enumerate(records):
        chains.follow(read_link(to_json(record)), f"{place}-0")
    return chains


def found(records: list[AuditRecord]) -> list[tuple[str, int]]:
    return [(flaw.kind, flaw.seq) for flaw in followed(records).flaws]


def resealed(record: AuditRecord) -> AuditRecord:
    return seal(replace(record, denied=True), record.writer, record.seq, record.prev_hash)


@given(st.text(), st.floats(allow_nan=False, allow_infinity=False))
def test_what_was_sealed_is_whole(body: str, latency: float) -> None:
    record = seal(AuditRecord("d", 1, "a", "llm", input=body, latency_ms=latency), "w", 1, GENESIS)
    for text in (to_json(record), escaped(to_json(record))):
        link = read_link(text)
        assert (link.sound, link.hash, link.seq) == (True, record.hash, 1)
        assert link_of(as_body(from_json(text)), text) == link


@given(st.data())
def test_no_byte_can_be_altered(data: st.DataObject) -> None:
    text = to_json(chain(1, input="some words")[0])
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters().filter(lambda char: char != text[place]))
    try:
        link = read_link(text[:place] + other + text[place + 1 :])
    except ValueError:
        return
    assert not link.sound or link.hash != read_link(text).hash


def test_a_doubled_key_is_no_way_to_say_two_things() -> None:
    text = '{"denied":true,' + to_json(chain(1)[0])[1:]
    assert not read_link(text).sound
    assert not link_of(as_body(from_json(text)), text).sound


@pytest.mark.parametrize("text", ["", "[]", "{}", "1", "[" * 100_000, '{"seq":true}'])
def test_what_is_no_record(text: str) -> None:
    with pytest.raises(ValueError):
        read_link(text)


def test_a_whole_chain_has_no_flaw() -> None:
    chains = followed(chain(5) + chain(3, "v"))
    chains.end({"w": (5, chain(5)[4].hash)})
    assert (chains.flaws, chains.count) == ([], 0)
    assert {writer: head[0] for writer, head in chains.heads.items()} == {"w": 5, "v": 3}


def test_a_changed_record_is_named() -> None:
    records = chain(5)
    records[2] = replace(records[2], denied=True)
    (flaw,) = followed(records).flaws
    assert (flaw.kind, flaw.seq, flaw.decision_id, flaw.entry_id) == (CHANGED, 3, "d3", "2-0")


def test_a_record_that_was_sealed_anew_does_not_fit_its_neighbour() -> None:
    records = chain(5)
    records[2] = resealed(records[2])
    assert found(records) == [(CHANGED, 4)]


@pytest.mark.parametrize(("gone", "words"), [(slice(1, 2), "2 is"), (slice(1, 3), "2 to 3 are")])
def test_removed_records_are_named(gone: slice, words: str) -> None:
    records = chain(5)
    del records[gone]
    (flaw,) = followed(records).flaws
    assert (flaw.kind, flaw.seq) == (REMOVED, 2)
    assert words in flaw.what


def test_two_swapped_records_are_named() -> None:
    records = chain(5)
    records[1], records[2] = records[2], records[1]
    assert found(records) == [(REORDERED, 2)]


@pytest.mark.parametrize("make", [lambda record: record, resealed])
def test_an_inserted_record_is_named(make) -> None:
    records = chain(5)
    records.insert(3, make(records[2]))
    assert found(records) == [(INSERTED, 3)]


def test_a_beginning_may_be_missing_only_where_it_may() -> None:
    records = chain(5)[2:]
    assert found(records) == [(REMOVED, 1)]
    assert followed(records, whole=False).flaws == []
    assert followed(records, begins={"w": (2, chain(2)[1].hash)}).flaws == []
    assert [flaw.kind for flaw in followed(records, begins={"w": (2, "0")}).flaws] == [CHANGED]
    assert followed(chain(2), whole=False).flaws == []


def test_an_end_is_compared() -> None:
    chains = followed(chain(3), begins={"v": (2, "hash")})
    chains.end({"w": (2, ""), "v": (2, "hash")})
    assert chains.flaws == []
    chains.end({"w": (5, ""), "v": (3, ""), "u": (1, "")}, "a")
    assert [(flaw.kind, flaw.writer, flaw.seq) for flaw in chains.flaws] == [
        (REMOVED, "w", 4),
        (REMOVED, "v", 3),
        (REMOVED, "u", 1),
    ]
    chains.end({"w": (3, "another")})
    assert chains.flaws[-1].what == "the last record was changed"


def test_a_number_in_no_gap_was_inserted() -> None:
    records = chain(7)
    assert found([records[0], records[3], records[0], records[6]]) == [
        (REMOVED, 2),
        (INSERTED, 1),
        (REMOVED, 5),
    ]


def test_flaws_without_end_are_counted() -> None:
    chains = Chains()
    for number in range(KEPT + 5):
        chains.note(Flaw(CHANGED, "w", number, ""))
    for record in chain(4)[1::2]:
        chains.follow(read_link(json.dumps(json.loads(to_json(record)))))
    assert (len(chains.flaws), chains.count) == (KEPT, KEPT + 9)
