"""Calls for the archive, each with what a test wants of it."""

from __future__ import annotations

from amaze_proxy.history.archive import StreamRecord
from amaze_proxy.history.bundle import History
from amaze_proxy.policy.record import GENESIS, AuditRecord, seal


class Book:
    """Archives calls: `call` notes one, `save` moves what is noted into the archive."""

    def __init__(self, history: History, name: str = "w") -> None:
        self._history = history
        self._name = name  # of its writers; with another one, it has other decision ids too
        self._noted: dict[str, list[StreamRecord]] = {}
        self._heads: dict[str, tuple[int, str]] = {}
        self._count = 0

    def call(self, agent_id: str = "a", trace_id: str = "t", **more: object) -> AuditRecord:
        """A call one second after the one before, unless `ts` is given."""
        self._count += 1
        more.setdefault("ts", 1_900_000_000_000 + self._count * 1000)
        more.setdefault("kind", "llm")
        draft = AuditRecord(
            decision_id=f"d{self._count}" if self._name == "w" else f"{self._name}-{self._count}",
            agent_id=agent_id,
            trace_id=trace_id,
            **more,
        )  # type: ignore[arg-type]
        seq, before = self._heads.get(agent_id, (0, GENESIS))
        record = seal(draft, f"{self._name}:{agent_id}", seq + 1, before)
        self._heads[agent_id] = (seq + 1, record.hash)
        self._noted.setdefault(agent_id, []).append(StreamRecord(f"{seq + 1}-0", record))
        return record

    async def save(self) -> None:
        for agent_id, records in self._noted.items():
            await self._history.archive.append(agent_id, records)
        self._noted.clear()
