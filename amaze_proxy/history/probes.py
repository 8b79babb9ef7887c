"""What the last probe of each MCP server found."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from sqlmodel import Session, col, select

from amaze_proxy.history.database import Database
from amaze_proxy.history.tables import ProbeRow


@dataclass(frozen=True, slots=True)
class Probe:
    """`url` is where the server was asked, `ts` (ms) when last, `error` why that failed ("": it did
    not); `found` (JSON, "" for nothing) is of the last one that did not fail."""

    name: str
    url: str
    ts: int
    error: str
    found: str


class ProbeHistory:
    """All methods raise HistoryUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, name: str) -> Probe | None:
        """The last probe, or None."""

        def work(session: Session) -> Probe | None:
            return _probe(session.get(ProbeRow, name))

        return await self._database.read(work)

    async def several(self, names: Collection[str]) -> dict[str, Probe]:
        """The last probes of these servers; one that was never probed is not in it."""

        def work(session: Session) -> dict[str, Probe]:
            query = select(ProbeRow).where(col(ProbeRow.name).in_(names))
            found = map(_probe, session.exec(query))
            return {probe.name: probe for probe in found if probe is not None}

        return await self._database.read(work)

    async def put(self, probe: Probe) -> Probe:
        """Keeps it in place of the last one; a failed probe keeps what was found at the same URL.
        The probe as it is kept."""

        def work(session: Session) -> Probe:
            before = _probe(session.get(ProbeRow, probe.name, with_for_update=True))
            kept = probe
            if probe.error and before is not None and before.url == probe.url:
                kept = replace(probe, found=before.found)
            session.merge(
                ProbeRow(
                    name=kept.name, url=kept.url, ts=kept.ts, error=kept.error, found=kept.found
                )
            )
            return kept

        return await self._database.write(work)


def _probe(row: ProbeRow | None) -> Probe | None:
    if row is None:
        return None
    return Probe(row.name, row.url, row.ts, row.error, row.found)
