"""Routes of people's API keys."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse, Response

from amaze_proxy.control.access_keys import KeyWish, lesser
from amaze_proxy.control.api.call import Call
from amaze_proxy.control.api.people_schemas import CreateKeyBody
from amaze_proxy.control.api.principals import Forbidden, Person
from amaze_proxy.control.people import UserRole
from amaze_proxy.history.keys import AccessKey

_PAGE = 100
_MOST = 1000
_DAY_MS = 86_400_000


async def index(call: Call) -> Response:
    """A page of the caller's keys; of everybody's for an admin."""
    limit = call.number("limit", _PAGE, _MOST)
    found = await call.services.access_keys.page(_whose(call), call.label("after"), limit + 1)
    following = found[limit - 1].key_id if len(found) > limit else None
    return JSONResponse({"api_keys": [view(one) for one in found[:limit]], "next": following})


async def create(call: Call) -> Response:
    """A key, shown this once; for another user by an admin only."""
    body = await call.body(CreateKeyBody)
    account = body.user or call.author
    if _whose(call) not in ("", account):
        raise Forbidden("a key for another user is made by an admin")
    owner = await call.services.people.get(account)
    wish = KeyWish(
        account=account,
        label=body.label,
        role=body.role,
        scope=body.scope,
        lasts_ms=(body.lasts_days or 0) * _DAY_MS,
    )
    most = lesser(UserRole(owner.role), _person(call).role)
    key, secret = await call.services.access_keys.create(wish, most)
    return JSONResponse({**view(key), "key": secret.text}, 201)


async def revoke(call: Call) -> Response:
    """A key works no more."""
    await call.services.access_keys.revoke(call.key_id, _whose(call))
    return Response(status_code=204)


def view(key: AccessKey) -> dict[str, Any]:
    """A key without its secret."""
    return {
        "key_id": key.key_id,
        "prefix": key.prefix,
        "user": key.account,
        "label": key.label,
        "role": key.role,
        "scope": list(key.scope),
        "created_ms": key.created_ms,
        "expires_ms": key.expires_ms or None,
    }


def _whose(call: Call) -> str:
    """Whose keys the caller may see and end: their own, or ("") everybody's."""
    person = _person(call)
    everybodys = person.role is UserRole.ADMIN and person.everywhere
    return "" if everybodys else person.name


def _person(call: Call) -> Person:
    if not isinstance(call.principal, Person):
        raise Forbidden("this is for people")
    return call.principal
