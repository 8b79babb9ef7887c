"""That the store was emptied while we ran is in the log, with what came back and what did not."""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable

from amaze_proxy.control.clock import Clock
from amaze_proxy.policy.record import AuditRecord
from amaze_proxy.store.admission import Gate, Settlement
from amaze_proxy.store.keys import ADMIN_LOG

STORE_EMPTIED = "store-emptied"
"""The alert of the record that tells of it."""

_LOST = (
    "reservations of calls that were running, counters and graph positions of turns, means of "
    "answers, and records that were not archived yet"
)


def told_by(gate: Gate, clock: Clock) -> Callable[[str], Awaitable[None]]:
    """Writes the record; `missed` is what showed the loss. Raises StoreUnavailable."""

    async def tell(missed: str) -> None:
        told = {
            "missed": missed,
            "restored": "agents, credentials, policies, servers, LLM hosts, windows as archived",
            "lost": _LOST,
        }
        record = AuditRecord(
            decision_id=secrets.token_hex(16),
            ts=clock(),
            agent_id=ADMIN_LOG,
            kind="admin",
            caller="reconciler",
            target="store",
            tool="store.restore",
            alert=STORE_EMPTIED,
            error="the store was emptied while it was used",
            input=json.dumps(told),
        )
        await gate.settle(Settlement(record.decision_id, ADMIN_LOG, record, charged=False))

    return tell
