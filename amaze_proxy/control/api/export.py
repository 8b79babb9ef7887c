"""Routes of the evidence as a whole: is it whole, and a copy to take away."""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import UTC, datetime

from starlette.responses import JSONResponse, Response, StreamingResponse

from amaze_proxy.control.api.bodies import Invalid
from amaze_proxy.control.api.call import Call
from amaze_proxy.control.errors import checked_id
from amaze_proxy.control.integrity import Verdict
from amaze_proxy.history.ledger import Selection

RECORDS = "X-Amaze-Records"
_MILLISECONDS = re.compile(r"[0-9]{1,15}")


async def key(call: Call) -> Response:
    """The public key that checkpoints and exports are verified with."""
    return Response(call.services.signer.public_pem, media_type="application/x-pem-file")


async def verify(call: Call) -> Response:
    """Whether the evidence is whole, with the place of each flaw."""
    return JSONResponse(_view(await call.services.integrity.verify(call.label("agent"))))


async def export(call: Call) -> Response:
    """A ZIP of the evidence."""
    agent_id = call.label("agent")
    selection = Selection(
        agent_id if agent_id.startswith("_") else agent_id and checked_id(agent_id),
        _moment(call, "since"),
        _moment(call, "until"),
    )
    begun = await call.services.exporter.begin(selection)
    headers = {
        "Content-Disposition": 'attachment; filename="amaze-evidence.zip"',
        RECORDS: str(begun.size),
    }
    return StreamingResponse(begun.chunks, headers=headers, media_type="application/zip")


def _moment(call: Call, name: str) -> int:
    """A time of the query in milliseconds since the epoch, 0 when it is not there."""
    given = call.label(name)
    if not given or _MILLISECONDS.fullmatch(given):
        return int(given or 0)
    try:
        at = datetime.fromisoformat(given)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return max(0, int(at.timestamp() * 1000))
    except (ValueError, OverflowError):
        fault = "must be milliseconds since the epoch, or a time as 2026-01-31T12:00:00Z"
        raise Invalid(((name, fault),)) from None


def _view(verdict: Verdict) -> dict[str, object]:
    return {
        "whole": verdict.whole,
        "looked_at": verdict.looked_at,
        "count": verdict.count,
        "flaws": [{"where": found.where, **asdict(found.flaw)} for found in verdict.flaws],
    }
