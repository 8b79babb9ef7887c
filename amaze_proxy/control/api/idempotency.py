"""`Idempotency-Key` on the routes that make something: the same request twice makes one thing.

For 24 hours the same key of the same caller, with the same body, is answered as it was at first.
A secret is shown once and kept nowhere, so an answer that held one cannot be given again: the
caller is told what was made instead (409 `idempotency-replayed`). Only for an agent there is
another way: its creation answers again with a further credential.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

from starlette.responses import JSONResponse, Response

from amaze_proxy.control.acts import holds_secret, told
from amaze_proxy.control.api import bodies
from amaze_proxy.control.api.bodies import Invalid
from amaze_proxy.control.api.call import Call, Entry
from amaze_proxy.control.errors import KeyReused, RequestAtWork, SecretShown
from amaze_proxy.control.keys import sha256
from amaze_proxy.history.errors import HistoryUnavailable
from amaze_proxy.history.idempotency import Kept

HEADER = "Idempotency-Key"
_KEY = re.compile(r"[\x20-\x7e]{1,255}")
_ISSUES_AGAIN = ("/agents",)


def creates(entry: Entry) -> bool:
    """Whether the route makes something."""
    return entry.method == "POST" and entry.status == 201


async def once(entry: Entry, call: Call, act: Callable[[], Awaitable[Response]]) -> Response:
    """What `act` answers, or has answered already.

    Raises Invalid, KeyReused, RequestAtWork, SecretShown, HistoryUnavailable, and as `act`.
    """
    if HEADER not in call.request.headers or not creates(entry):
        return await act()
    kept = call.services.history.idempotency
    request = await _request(entry, call)
    before = await kept.begin(request)
    if before is not None:
        _same(before, request)
        if entry.path in _ISSUES_AGAIN:
            return await act()
        return _replayed(before)
    try:
        response = await act()
    except BaseException:
        with suppress(HistoryUnavailable):
            await kept.forget(request.key_sha256)
        raise
    with suppress(HistoryUnavailable):  # it is made, and the caller has to know
        await kept.end(_answered(request, response))
    return response


async def _request(entry: Entry, call: Call) -> Kept:
    shown = call.request.headers.getlist(HEADER)
    if len(shown) != 1 or not _KEY.fullmatch(shown[0]):
        raise Invalid(((HEADER, "must be one line of 1 to 255 printable ASCII characters"),))
    body = await bodies.raw(call.request, call.services.config.body_max)
    key = sha256("\0".join((call.author, call.principal.via, entry.path, shown[0])))
    return Kept(key, hashlib.sha256(body).hexdigest(), call.services.clock())


def _same(before: Kept, request: Kept) -> None:
    if before.body_sha256 != request.body_sha256:
        raise KeyReused(
            f"this {HEADER} came with another body before: take a new key for a new request"
        )
    if not before.status:
        raise RequestAtWork("the same request is at work: ask again in a moment")


def _replayed(before: Kept) -> Response:
    if before.secret:
        raise SecretShown(
            "this was made already, and its secret was shown once and is kept nowhere: "
            f"{before.answer} (lost it? reset the password, or revoke the key and make another)"
        )
    headers = {"Idempotency-Replayed": "true"}
    return JSONResponse(json.loads(before.answer), before.status, headers)


def _answered(request: Kept, response: Response) -> Kept:
    answer = json.loads(bytes(response.body))
    return replace(
        request,
        status=response.status_code,
        answer=told(answer),
        secret=holds_secret(answer),
    )
