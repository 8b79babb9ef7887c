"""Routes of accounts."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse, Response

from amaze_proxy.control.api.call import Call
from amaze_proxy.control.api.people_schemas import ChangeUserBody, CreateUserBody
from amaze_proxy.control.people import Made, Wish
from amaze_proxy.history.accounts import Account

_PAGE = 100
_MOST = 1000


async def index(call: Call) -> Response:
    """A page of users by name."""
    limit = call.number("limit", _PAGE, _MOST)
    found = await call.services.people.page(call.label("after"), limit + 1)
    following = found[limit - 1].name if len(found) > limit else None
    return JSONResponse({"users": [view(one) for one in found[:limit]], "next": following})


async def create(call: Call) -> Response:
    """A user; a password that was made is shown this once."""
    body = await call.body(CreateUserBody)
    return _made(await call.services.people.create(body.name, body.role, body.password), 201)


async def change(call: Call) -> Response:
    """Role, lock or password of a user."""
    body = await call.body(ChangeUserBody)
    wish = Wish(body.role, body.disabled, body.reset_password)
    return _made(await call.services.people.change(call.user, wish))


async def delete(call: Call) -> Response:
    """Forgets a user, their sessions and keys."""
    await call.services.people.delete(call.user)
    return Response(status_code=204)


def view(account: Account) -> dict[str, Any]:
    """A user as others see them."""
    return {
        "name": account.name,
        "role": account.role,
        "disabled": account.disabled,
        "must_change_password": account.must_change,
        "created_ms": account.created_ms,
        "updated_ms": account.updated_ms,
    }


def _made(made: Made, status: int = 200) -> Response:
    shown = {} if made.password is None else {"password": made.password}
    return JSONResponse({**view(made.account), **shown}, status)
