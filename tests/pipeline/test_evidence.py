"""The record of a call: all that is known, nothing that is secret."""

from __future__ import annotations

import re
from dataclasses import fields

from amaze_proxy.pipeline.capture import Capture
from amaze_proxy.pipeline.evidence import Evidence, new_id
from amaze_proxy.policy.record import AuditRecord, from_json, seal, to_json
from amaze_proxy.policy.request import CallKind
from amaze_proxy.store.keys import UNKNOWN_AGENT

KEY = "sk-abcdefghijklmnop1234"


def evidence(keep: int = 100) -> Evidence:
    return Evidence(Capture(keep), Capture(keep))


def test_ids_are_random_hex() -> None:
    assert re.fullmatch("[0-9a-f]{32}", new_id(16))
    assert new_id(8) != new_id(8)
    assert evidence().decision_id != evidence().decision_id


def test_whatever_is_known_is_in_the_record() -> None:
    found = evidence()
    own = {f.name for f in fields(Evidence)} & {f.name for f in fields(AuditRecord)}
    own -= {"input", "output"}
    for name in own:
        if isinstance(getattr(found, name), str):
            setattr(found, name, f"the {name}")
    found.kind, found.denied, found.estimated = CallKind.LLM, True, True
    found.status, found.tokens_in, found.tokens_out, found.tokens_cached = 200, 1, 2, 3
    found.cost_microusd, found.policy_version, found.ttft_ms = 4, 5, 6.0
    record = found.record()
    for name in own - {"kind"}:
        assert getattr(record, name) == getattr(found, name), name
    assert record.kind == "llm"
    assert record.latency_ms >= 0
    assert from_json(to_json(seal(record, "w", 1, "0" * 64))).decision_id == "the decision_id"


def test_a_call_of_nobody_is_kept_short() -> None:
    found = evidence(keep=5000)
    found.input.add(b"x" * 4000)
    assert (found.record().agent_id, len(found.record().input)) == (UNKNOWN_AGENT, 2048)
    assert found.record().truncated
    found.agent_id = "agent-1"
    assert (len(found.record().input), found.record().truncated) == (4000, False)


def test_a_body_over_the_cap_is_cut_with_its_size_and_hash() -> None:
    found = evidence(keep=3)
    found.agent_id = "agent-1"
    found.output.add(b"abcdef")
    record = found.record()
    assert (record.output, record.output_size, record.truncated) == ("abc", 6, True)
    assert len(record.output_sha256) == 64
    assert (record.input, record.input_sha256) == ("", "")


def test_no_secret_gets_in() -> None:
    found = evidence()
    found.agent_id, found.path, found.model = "agent-1", f"/x/{KEY}", KEY
    found.input.add(f"key {KEY}".encode())
    record = found.record()
    assert KEY not in to_json(seal(record, "w", 1, "0" * 64))


def test_the_first_byte_is_timed_once() -> None:
    found = evidence()
    assert found.record().ttft_ms == -1.0
    found.first_byte()
    first = found.ttft_ms
    found.first_byte()
    assert found.ttft_ms == first >= 0
