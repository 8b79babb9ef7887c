"""Routes of policies: read, save with If-Match, versions, differences, rollback, validation."""

from __future__ import annotations

import re
from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from amaze_proxy.control.api import views
from amaze_proxy.control.api.call import Call
from amaze_proxy.control.errors import PolicyInvalid, PolicyNotFound, checked_id
from amaze_proxy.control.policies import Expectation, parse
from amaze_proxy.control.policy_lines import Lines
from amaze_proxy.history.policies import PolicyVersion
from amaze_proxy.policy.model import canonical_json, sha256

_VERSION = re.compile(r"[1-9][0-9]{0,8}")
_PAGE = 50
_MOST = 500
_NEWEST = 10**9 - 1
_DAY = 24  # hours
_MOST_HOURS = 31 * _DAY


async def show(call: Call) -> Response:
    """The active policy."""
    current = await call.services.policies.current(call.agent_id)
    view = {**views.version(current.version), "in_force": current.in_force}
    return JSONResponse(view, headers={"ETag": etag(current.version)})


async def save(call: Call) -> Response:
    """A new version, in force when this answers."""
    checked_id(call.agent_id)
    saved = await call.services.policies.save(
        call.agent_id,
        parse(await call.text()),
        author=call.author,
        comment=call.label("comment"),
        expects=_expectation(call.request),
    )
    return _saved(saved)


async def versions(call: Call) -> Response:
    """A page of versions, newest first."""
    limit = call.number("limit", _PAGE, _MOST)
    before = call.number("before", 0, _NEWEST)
    found = await call.services.policies.versions(call.agent_id, before, limit + 1)
    page = found[:limit]
    following = page[-1].version if len(found) > limit else None
    view = [views.version(version, document=False) for version in page]
    return JSONResponse({"versions": view, "next": following})


async def version(call: Call) -> Response:
    """One version, with its document."""
    found = await call.services.policies.version(call.agent_id, _number(call))
    return JSONResponse(views.version(found), headers={"ETag": etag(found)})


async def rollback(call: Call) -> Response:
    """A new version with the content of an old one."""
    saved = await call.services.policies.rollback(
        call.agent_id, _number(call), author=call.author, expects=_expectation(call.request)
    )
    return _saved(saved)


async def diff(call: Call) -> Response:
    """What changed from one version to another, field by field."""
    found = await call.services.policies.compare(
        call.agent_id, _asked(call, "from"), _asked(call, "to")
    )
    return JSONResponse(
        {
            "agent_id": call.agent_id,
            "from": found.before or None,
            "to": found.after,
            "changes": [asdict(change) for change in found.changes],
        }
    )


async def validate(call: Call) -> Response:
    """Whether a document is a policy, without saving it; and what may be wrong with one that is."""
    checked_id(call.agent_id)
    text = await call.text()
    lines = Lines(text)
    try:
        policy = parse(text)
    except PolicyInvalid as error:
        found = [_placed(lines, field, message) for field, message in error.errors]
        return JSONResponse({"valid": False, "errors": found, "warnings": []})
    advice = await call.services.policies.advice(policy)
    return JSONResponse(
        {
            "valid": True,
            "errors": [],
            "warnings": [_placed(lines, one.field, one.message) for one in advice],
            "sha256": sha256(policy),
            "canonical": canonical_json(policy),
        }
    )


async def simulate(call: Call) -> Response:
    """What a draft would have done to the calls of the last `hours`."""
    checked_id(call.agent_id)
    hours = call.number("hours", _DAY, _MOST_HOURS)
    draft = parse(await call.text())
    found = await call.services.simulations.run(call.agent_id, draft, hours)
    return JSONResponse(views.simulation(found))


def _placed(lines: Lines, field: str, message: str) -> dict[str, object]:
    return {"field": field, "line": lines.of(field, message), "message": message}


def etag(found: PolicyVersion) -> str:
    """The entity tag of a version: its number and its hash."""
    return f'"{found.version}-{found.sha256[:16]}"'


def _saved(saved: PolicyVersion) -> Response:
    return JSONResponse(views.version(saved), headers={"ETag": etag(saved)})


def _number(call: Call) -> int:
    given = str(call.request.path_params["version"])
    if not _VERSION.fullmatch(given):
        raise PolicyNotFound(f"{given[:20]!r} is no version: versions are numbered from 1")
    return int(given)


def _asked(call: Call, name: str) -> int | None:
    """A version of the query; None: none is named."""
    return call.number(name, 0, _NEWEST) or None


def _expectation(request: Request) -> Expectation:
    """RFC 9110 §13.1.1 If-Match, compared strongly, and §13.1.2 `If-None-Match: *`."""
    match = _tags(request, "if-match")
    only_new = "*" in _tags(request, "if-none-match")

    def judge(active: PolicyVersion | None) -> bool:
        if active is None:
            return not match
        return not only_new and (not match or "*" in match or etag(active) in match)

    return judge


def _tags(request: Request, name: str) -> set[str]:
    return {
        tag.strip()
        for line in request.headers.getlist(name)
        for tag in line.split(",")
        if tag.strip()
    }
