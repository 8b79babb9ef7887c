"""Every tampering, in the stream, in SQL, in an export, is found, with its place."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlmodel import Session

from amaze_proxy.control import offline
from amaze_proxy.control.archiver import Archiver
from amaze_proxy.control.errors import InvalidId
from amaze_proxy.control.export import Exporter
from amaze_proxy.control.integrity import Integrity, Verdict
from amaze_proxy.control.signing import Signer
from amaze_proxy.control.upkeep import Retention, Upkeep
from amaze_proxy.history.bundle import History
from amaze_proxy.history.ledger import Selection
from amaze_proxy.policy.record import GENESIS, AuditRecord, from_json, seal, to_json
from amaze_proxy.store.admission import Settlement
from amaze_proxy.store.agents import Agent
from amaze_proxy.store.store import Store

SIGNER = Signer(b"s" * 32)
STREAM = "audit:{a}"


async def settle(store: Store, agent_id: str, count: int, start: int = 0) -> None:
    for number in range(start, start + count):
        record = AuditRecord(f"{agent_id}-{number}", number, agent_id, "http", input="=1+1")
        await store.gate.settle(Settlement(record.decision_id, agent_id, record, charged=False))


class World:
    """Ten records of an agent, archived and signed for, and what can be done to them."""

    def __init__(self, store: Store, history: History, clock: Callable[[], int]) -> None:
        self.store, self.history = store, history
        self.upkeep = Upkeep(history, SIGNER, clock, Retention(1))
        self.archiver = Archiver(history, store, clock, 0.01)
        self.integrity = Integrity(history, store, SIGNER.public_key)
        self.exporter = Exporter(history, SIGNER, clock)

    async def archive(self) -> None:
        while await self.archiver.step():
            pass

    async def found(self, agent_id: str = "") -> set[tuple[str, str, int]]:
        verdict = await self.integrity.verify(agent_id)
        assert verdict.whole == (not verdict.flaws)
        return {(one.where, one.flaw.kind, one.flaw.seq) for one in verdict.flaws}

    async def sql(self, statement: str, **values: object) -> None:
        def work(session: Session) -> None:
            session.connection().execute(text(statement), values)

        await self.history.database.write(work)

    async def record(self, seq: int) -> AuditRecord:
        entries = await self.store.audit.read("a")
        return next(one.record for one in entries if one.record.seq == seq)

    async def rewrite_stream(
        self, change: Callable[[list[AuditRecord]], list[AuditRecord]]
    ) -> None:
        """Other records under the ids of the entries, as somebody with all rights could."""
        entries = await self.store.client.xrange(STREAM)
        records = change([from_json(fields[b"r"]) for _, fields in entries])
        ids = [entry_id.decode() for entry_id, _ in entries]
        ids += [f"{ids[-1]}9"]
        await self.store.client.delete(STREAM)
        for entry_id, record in zip(ids, records, strict=False):
            await self.store.client.xadd(STREAM, {"r": to_json(record)}, id=entry_id)

    async def export(self, path: Path, selection: Selection = Selection()) -> Path:  # noqa: B008
        begun = await self.exporter.begin(selection)
        with path.open("wb") as file:
            async for chunk in begun.chunks:
                file.write(chunk)
        return path


@pytest.fixture
async def world(store: Store, history: History, clock) -> World:
    made = World(store, history, clock)
    await store.agents.create(Agent("a"))
    await settle(store, "a", 10)
    await settle(store, "_unknown", 2)
    await made.archive()
    await made.upkeep.sign()
    return made


def forged(record: AuditRecord) -> AuditRecord:
    return seal(replace(record, denied=True), record.writer, record.seq, record.prev_hash)


async def test_what_nobody_touched_is_whole(world: World) -> None:
    verdict = await world.integrity.verify()
    assert (verdict.whole, verdict.count, verdict.flaws) == (True, 0, [])
    assert verdict.looked_at == {"archive": 12, "stream": 12, "checkpoints": 1}
    await settle(world.store, "a", 3, start=10)  # not archived yet
    assert await world.found() == set()
    world.archiver._keep_ms = 0
    await world.archive()
    await world.archiver.trim()
    assert await world.store.client.xlen(STREAM) == 0
    assert await world.found("a") == set()
    assert (await world.integrity.verify("a")).looked_at["archive"] == 13


async def test_an_id_that_is_none_is_refused(world: World) -> None:
    with pytest.raises(InvalidId):
        await world.integrity.verify("../x")


IN_STREAM = [
    (lambda rs: [*rs[:4], replace(rs[4], denied=True), *rs[5:]], "changed", 5),
    (lambda rs: [*rs[:4], *rs[5:]], "removed", 5),
    (lambda rs: [*rs[:4], rs[5], rs[4], *rs[6:]], "reordered", 5),
    (lambda rs: [*rs[:5], forged(rs[4]), *rs[5:]], "inserted", 5),
    (lambda rs: rs[:-1], "removed", 10),
]


@pytest.mark.parametrize(("change", "kind", "seq"), IN_STREAM)
@pytest.mark.parametrize("archived", [True, False])
async def test_in_the_stream(store, history, clock, change, kind, seq, archived) -> None:
    world = World(store, history, clock)
    await store.agents.create(Agent("a"))
    await settle(store, "a", 10)
    if archived:
        await world.archive()
    await world.rewrite_stream(change)
    assert ("stream", kind, seq) in await world.found()


async def test_a_stream_that_was_sealed_anew_is_not_the_archive(world: World) -> None:
    def anew(records: list[AuditRecord]) -> list[AuditRecord]:
        made: list[AuditRecord] = []
        for one in records:
            before = made[-1].hash if made else GENESIS
            made.append(seal(replace(one, denied=True), one.writer, one.seq, before))
        return made

    await world.rewrite_stream(anew)
    assert ("stream", "changed", 1) in await world.found()


async def test_a_writer_of_somebody_else_in_the_stream(world: World) -> None:
    stranger = seal(AuditRecord("x", 1, "a", "llm"), "somebody:a", 1, GENESIS)
    await world.store.client.xadd(STREAM, {"r": to_json(stranger)})
    assert await world.found() == {("stream", "inserted", 1)}


async def test_a_stream_that_was_emptied_before_it_was_archived(world: World) -> None:
    await settle(world.store, "a", 3, start=10)
    await world.store.client.delete(STREAM)
    assert await world.found() == {("stream", "removed", 11)}


async def _altered_text(world: World) -> None:
    await world.sql("UPDATE call SET record = replace(record, '=1+1', '=1+2') WHERE seq = 5")


async def _altered_column(world: World) -> None:
    await world.sql("UPDATE call SET denied = 1 WHERE seq = 5")


async def _no_record(world: World) -> None:
    await world.sql("UPDATE call SET record = '{}' WHERE seq = 5")


async def _removed(world: World) -> None:
    await world.sql("DELETE FROM call WHERE seq = 5")


async def _swapped(world: World) -> None:
    await world.sql("UPDATE call SET id = 1000 WHERE seq = 5")
    await world.sql("UPDATE call SET id = id - 1 WHERE seq = 6")
    await world.sql("UPDATE call SET id = (SELECT id + 1 FROM call WHERE seq = 6) WHERE seq = 5")


async def _inserted(world: World) -> None:
    copy = forged(await world.record(5))
    names = "agent_id entry_id decision_id ts trace_id span_id parent_span_id turn_id session_id"
    names += " caller kind target provider tool model method status latency_ms ttft_ms tokens_in"
    names += " tokens_out tokens_cached cost_microusd estimated denied denial_reason alert"
    names += " would_deny error policy_version"
    listed = ", ".join(names.split())
    await world.sql(
        f"INSERT INTO call (writer, seq, hash, record, {listed}) "
        f"SELECT 'more:a', 1, :hash, :record, {listed} FROM call WHERE seq = 5",
        hash=copy.hash,
        record=to_json(seal(copy, "more:a", 1, GENESIS)),
    )


async def _cut(world: World) -> None:
    await world.sql("DELETE FROM call WHERE seq > 8")


async def _cut_with_the_books(world: World) -> None:
    head = (await world.record(8)).hash
    await world.sql("DELETE FROM call WHERE seq > 8")
    await world.sql("UPDATE archive_chain SET seq = 8, hash = :head WHERE seq = 10", head=head)


async def _signed_record_forged(world: World) -> None:
    last = forged(await world.record(10))
    values = {"record": to_json(last), "hash": last.hash}
    await world.sql("UPDATE call SET record=:record, hash=:hash, denied=1 WHERE seq=10", **values)
    await world.sql("UPDATE archive_chain SET hash = :hash WHERE seq = 10", hash=last.hash)


@pytest.mark.parametrize(
    ("tamper", "kind", "seq"),
    [
        (_altered_text, "changed", 5),
        (_altered_column, "changed", 5),
        (_no_record, "changed", 5),
        (_removed, "removed", 5),
        (_swapped, "reordered", 5),
        (_inserted, "inserted", 1),
        (_cut, "removed", 9),
        (_cut_with_the_books, "removed", 9),
        (_signed_record_forged, "changed", 10),
    ],
)
async def test_in_sql(
    world: World, tamper: Callable[[World], Awaitable[None]], kind: str, seq: int
) -> None:
    await tamper(world)
    assert ("archive", kind, seq) in await world.found("a")
    assert ("archive", kind, seq) in await world.found()


async def test_a_whole_chain_that_is_gone_with_its_books_was_signed_for(world: World) -> None:
    await world.sql("DELETE FROM call")
    await world.sql("DELETE FROM archive_chain")
    await world.store.client.flushall()
    assert {("archive", "removed", 1)} == await world.found()


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE checkpoint SET document = replace(document, 'heads', 'hands')", "was changed"),
        ("UPDATE checkpoint SET signature = ''", "not signed"),
        ("DELETE FROM checkpoint WHERE id = 1", "does not follow"),
        ("DELETE FROM checkpoint WHERE id = 2", "the checkpoint for record 11 is missing"),
    ],
)
async def test_in_the_checkpoints(world: World, statement: str, words: str) -> None:
    await settle(world.store, "a", 1, start=10)
    await world.archive()
    await world.upkeep.sign()
    assert await world.found() == set()
    await world.sql(statement)
    verdict = await world.integrity.verify()
    assert any(words in one.flaw.what for one in verdict.flaws), verdict.flaws


async def test_another_key_has_signed(world: World) -> None:
    world.integrity = Integrity(world.history, world.store, Signer(b"t" * 32).public_key)
    found = await world.found()
    assert ("checkpoints", "changed", 1) in found, "and what it says is not believed:"
    assert ("archive", "removed", 10) in found


async def test_retention_while_it_is_checked_is_no_flaw(world: World, monkeypatch) -> None:
    world.archiver._keep_ms = 0
    await world.archiver.trim()
    reading = world.history.ledger.page
    pages = iter([True])

    async def meanwhile(*args: object, **more: object) -> object:
        if next(pages, False):
            await world.upkeep.prune()
            await settle(world.store, "a", 2, start=10)
            await world.archive()
        return await reading(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(type(world.history.ledger), "page", staticmethod(meanwhile))
    assert await world.found() == set()


async def test_what_retention_removes_is_signed_for(world: World) -> None:
    world.archiver._keep_ms = 0
    await world.archiver.trim()
    assert await world.upkeep.prune() == 12
    assert await world.upkeep.prune() == 0
    await settle(world.store, "a", 2, start=10)
    await world.archive()
    assert await world.found() == set()
    assert (await world.integrity.verify()).looked_at["archive"] == 2
    await world.sql("DELETE FROM call WHERE seq = 11")
    assert ("archive", "removed", 11) in await world.found()


# An export


def rezip(path: Path, change: Callable[[str, bytes], bytes]) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, change(name, data))


def lines_changed(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[str, bytes], bytes]:
    def inner(name: str, data: bytes) -> bytes:
        return b"".join(change(data.splitlines(True))) if name == "chain.jsonl" else data

    return inner


IN_EXPORT = [
    (lambda ls: [*ls[:4], ls[4].replace(b"=1+1", b"=1+2"), *ls[5:]], "changed", 5),
    (lambda ls: [*ls[:4], b"{}\n", *ls[5:]], "changed", 5),
    (lambda ls: [*ls[:4], *ls[5:]], "removed", 5),
    (lambda ls: [*ls[:4], ls[5], ls[4], *ls[6:]], "reordered", 5),
    (lambda ls: [*ls[:5], ls[4], *ls[5:]], "inserted", 5),
    (lambda ls: ls[:9], "removed", 10),
]


@pytest.fixture
async def exported(world: World, tmp_path: Path) -> Path:
    return await world.export(tmp_path / "export.zip", Selection("a"))


@pytest.mark.parametrize(("change", "kind", "seq"), IN_EXPORT)
async def test_in_an_export(exported: Path, change, kind: str, seq: int) -> None:
    assert offline.verify(exported, SIGNER.public_key).whole
    rezip(exported, lines_changed(change))
    report = offline.verify(exported, SIGNER.public_key)
    assert (kind, seq) in {(flaw.kind, flaw.seq) for flaw in report.flaws}
    assert not report.whole


@pytest.mark.parametrize(
    ("member", "old", "new", "words"),
    [
        ("manifest.json", b'"made_ms": 1', b'"made_ms": 2', "the manifest is not signed"),
        ("checkpoints.json", b"heads", b"hands", "checkpoint 1"),
        ("checkpoints.json", b"signature", b"signatura", ""),
    ],
)
async def test_the_rest_of_an_export(
    exported: Path, member: str, old: bytes, new: bytes, words: str
) -> None:
    rezip(exported, lambda name, data: data.replace(old, new) if name == member else data)
    try:
        report = offline.verify(exported)
    except offline.NoExport:
        return
    assert any(words in flaw.what for flaw in report.flaws)
    assert words


async def test_an_export_without_its_last_checkpoint(exported: Path) -> None:
    rezip(exported, lambda name, data: b"[]" if name == "checkpoints.json" else data)
    assert "missing" in offline.verify(exported).flaws[0].what


async def test_an_export_that_somebody_else_has_signed(world: World, tmp_path: Path) -> None:
    world.exporter = Exporter(world.history, Signer(b"t" * 32), lambda: 0)
    path = await world.export(tmp_path / "export.zip")
    report = offline.verify(path, SIGNER.public_key)
    assert [flaw.what for flaw in report.flaws] == ["the manifest is not signed by the key"]
    assert (report.signed, report.records, report.checkpoints) == (False, 12, 1)


async def test_a_verdict_counts_what_it_does_not_tell(world: World) -> None:
    await world.sql("UPDATE call SET denied = 1")
    verdict: Verdict = await world.integrity.verify()
    assert verdict.count == 12
    found = json.dumps([one.flaw.decision_id for one in verdict.flaws])
    assert "a-0" in found
