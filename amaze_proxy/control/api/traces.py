"""Routes of what happened: traces, alerts, numbers. Everybody sees what is theirs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from starlette.responses import JSONResponse, Response

from amaze_proxy.control.api.bodies import Invalid
from amaze_proxy.control.api.call import Call
from amaze_proxy.control.api.principals import AgentCaller, Person
from amaze_proxy.control.people import UserRole
from amaze_proxy.control.sequence import Step
from amaze_proxy.control.traces import WINDOWS
from amaze_proxy.history.queries import (
    EVERYTHING,
    VERDICTS,
    Cursor,
    Filter,
    Viewer,
    read_cursor,
)
from amaze_proxy.history.statistics import Bucket, Named, Period, Statistics
from amaze_proxy.history.traces import TraceSummary
from amaze_proxy.policy.request import CallKind
from amaze_proxy.store.series import Sum

Json = dict[str, Any]
_PAGE = 50
_MOST = 200
_WEEK_S = 604_800
_MS = re.compile(r"[0-9]{1,15}")
_STATUS = re.compile(r"[1-5][0-9]{2}")


async def index(call: Call) -> Response:
    """A page of traces, newest first."""
    limit = call.number("limit", _PAGE, _MOST)
    viewer = await viewer_of(call)
    found = await call.services.traces.page(viewer, _filter(call), _cursor(call), limit)
    following = None if found.following is None else str(found.following)
    return JSONResponse({"traces": list(map(_summary, found.traces)), "next": following})


async def show(call: Call) -> Response:
    """One trace with its steps."""
    trace_id = str(call.request.path_params["trace_id"])
    found = await call.services.traces.detail(await viewer_of(call), trace_id)
    sequence = found.sequence
    return JSONResponse(
        {
            "trace_id": trace_id,
            "summary": {**_summary(found.summary), "whole": found.whole},
            "participants": [asdict(one) for one in sequence.participants],
            "turns": [_ends(asdict(one)) for one in sequence.turns],
            "steps": list(map(_step, sequence.steps)),
            "edges": [_ends(asdict(one)) for one in sequence.edges],
            "violations": [asdict(one) for one in sequence.violations],
        }
    )


async def alerts(call: Call) -> Response:
    """A page of alerts, newest first, and how many there are of each reason."""
    limit = call.number("limit", _PAGE, _MOST)
    filter_ = Filter(
        agent_id=call.label("agent"),
        since_ms=_time(call, "since"),
        until_ms=_time(call, "until"),
        reason=call.label("reason"),
    )
    viewer = await viewer_of(call)
    found = await call.services.traces.alerts(viewer, filter_, _cursor(call), limit)
    following = None if found.page.following is None else str(found.page.following)
    return JSONResponse(
        {
            "reasons": [
                {"reason": one.name, "alerts": one.numbers.calls, "denied": one.numbers.denied}
                for one in found.reasons
            ],
            "alerts": [asdict(one) for one in found.page.alerts],
            "next": following,
        }
    )


async def stats(call: Call) -> Response:
    """The numbers of all agents that the caller may see."""
    found = await call.services.traces.stats(await viewer_of(call), _period(call))
    return JSONResponse(_statistics(found))


async def agent_stats(call: Call) -> Response:
    """The numbers of one agent. `live`: its last hour by minute as the store has it now, where the
    store has time series."""
    found = await call.services.traces.agent_stats(call.agent_id, _period(call))
    live = await call.services.live.last_hour(call.agent_id)
    view = {"agent_id": call.agent_id, **_statistics(found), "live": _live(live)}
    return JSONResponse(view)


async def viewer_of(call: Call) -> Viewer:
    """Whose calls the caller may see. Nobody's, when in doubt."""
    match call.principal:
        case AgentCaller(agent_id=agent_id):
            return Viewer(frozenset((agent_id,)))
        case Person(role=UserRole.ADMIN | UserRole.VIEWER, scope=()):
            return EVERYTHING
        case Person(role=UserRole.ADMIN | UserRole.VIEWER, scope=scope):
            return Viewer(frozenset(scope))
        case Person() as person:
            records = await call.services.history.agents.list()
            return Viewer(frozenset(one.agent_id for one in records if person.sees(one)))
        case _:
            return Viewer(frozenset())


def _filter(call: Call) -> Filter:
    status, verdict = call.label("status"), ""
    if status in VERDICTS:
        status, verdict = "", status
    elif status and not _STATUS.fullmatch(status):
        raise Invalid((("status", f"must be one of {', '.join(VERDICTS)}, or an HTTP status"),))
    kind = call.label("kind")
    if kind and kind not in set(CallKind):
        raise Invalid((("kind", f"must be one of {', '.join(CallKind)}"),))
    return Filter(
        agent_id=call.label("agent"),
        since_ms=_time(call, "since"),
        until_ms=_time(call, "until"),
        status=int(status or 0),
        verdict=verdict,
        reason=call.label("reason"),
        tool=call.label("tool"),
        model=call.label("model"),
        kind=kind,
        target=call.label("target"),
        text=call.label("text"),
    )


def _time(call: Call, name: str) -> int:
    given = call.request.query_params.get(name, "0")
    if not _MS.fullmatch(given):
        raise Invalid(((name, "must be a time in milliseconds since the epoch"),))
    return int(given)


def _cursor(call: Call) -> Cursor | None:
    given = call.request.query_params.get("cursor")
    if given is None:
        return None
    try:
        return read_cursor(given)
    except ValueError as error:
        raise Invalid((("cursor", str(error)),)) from None


def _period(call: Call) -> Period:
    since = _time(call, "since")
    if since:
        bucket = call.number("bucket", 0, _WEEK_S)
        return call.services.traces.between(since, _time(call, "until"), bucket)
    window = call.label("window") or "24h"
    if window not in WINDOWS:
        raise Invalid((("window", f"must be one of {', '.join(WINDOWS)}; or give since"),))
    return call.services.traces.last(window)


def _summary(found: TraceSummary) -> Json:
    return {**asdict(found), "status": found.verdict}


def _ends(view: Json) -> Json:
    return {"from": view.pop("came_from"), "to": view.pop("went_to"), **view}


def _step(step: Step) -> Json:
    record = asdict(step.record)
    record["limits"] = [asdict(limit) for limit in step.limits]
    return {
        **record,
        "number": step.number,
        "from": step.came_from,
        "to": step.went_to,
        "label": step.label,
        "verdict": step.verdict,
        "parent": step.parent,
        "depth": step.depth,
    }


def _statistics(found: Statistics) -> Json:
    period = found.period
    return {
        "since": period.since_s * 1000,
        "until": period.until_s * 1000,
        "bucket": period.bucket_s,
        "total": _bucket(found.total),
        "buckets": list(map(_bucket, found.buckets)),
        **{f"by_{dimension}": list(map(_named, names)) for dimension, names in found.by.items()},
    }


def _live(found: Mapping[str, Sequence[Sum]] | None) -> Json | None:
    if found is None:
        return None
    return {
        name: [{"ts": one.start_ms, "value": one.value} for one in sums]
        for name, sums in found.items()
    }


def _bucket(found: Bucket) -> Json:
    latencies = {"latency_p50_ms": found.p50_ms, "latency_p95_ms": found.p95_ms}
    return {"ts": found.start_s * 1000, **asdict(found.numbers), **latencies}


def _named(found: Named) -> Json:
    return {"name": found.name, **asdict(found.numbers)}
