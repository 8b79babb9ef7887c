"""Request bodies: bounded, strictly read, turned into typed records once."""

from __future__ import annotations

import json
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import ClientDisconnect, Request

M = TypeVar("M", bound="Body")


class Body(BaseModel):
    """A request body: an unknown key is an error, nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class BodyTooLarge(Exception):
    """The body is larger than is read."""


class BadBody(Exception):
    """The body is not what it should be by its syntax; the text says where."""


class WrongMediaType(Exception):
    """The body is not declared as JSON."""


class Invalid(Exception):
    """The body or a parameter is well-formed and wrong; `errors` name the fields."""

    def __init__(self, errors: tuple[tuple[str, str], ...]) -> None:
        super().__init__("; ".join(f"{field}: {fault}" for field, fault in errors))
        self.errors = errors


async def raw(request: Request, limit: int) -> bytes:
    """The body. Raises BodyTooLarge as soon as it is known, BadBody when it breaks off."""
    if not hasattr(request.state, "body"):  # it comes once, and may be asked for twice
        request.state.body = await _read(request, limit)
    found: bytes = request.state.body
    return found


async def _read(request: Request, limit: int) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > limit:
        raise BodyTooLarge(f"the body may have {limit} bytes at most")
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise BodyTooLarge(f"the body may have {limit} bytes at most")
    except ClientDisconnect:
        raise BadBody("the body broke off") from None
    return bytes(body)


async def text(request: Request, limit: int) -> str:
    """The body as UTF-8. Raises BodyTooLarge, BadBody."""
    try:
        return (await raw(request, limit)).decode()
    except UnicodeDecodeError as error:
        raise BadBody(f"the body is no UTF-8: byte {error.start}") from None


async def read(request: Request, model: type[M], limit: int) -> M:
    """The JSON body as `model`; an empty body is `{}`.

    Raises BodyTooLarge, BadBody, WrongMediaType, Invalid.
    """
    body = await text(request, limit)
    data = _json(body) if body.strip() else {}
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and media != "application/json":
        # a page in a browser can send anything else across sites without asking (CORS preflight)
        raise WrongMediaType("the body must be JSON: send Content-Type: application/json")
    if not isinstance(data, dict):
        raise BadBody("the body must be a JSON object")
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise Invalid(faults(error)) from None


def faults(error: ValidationError) -> tuple[tuple[str, str], ...]:
    """Each field and what is wrong with it; never the value, which may be a secret."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return tuple(
        (".".join(map(str, one["loc"])), one["msg"].removeprefix("Value error, "))
        for one in found[:20]
    )


def _json(body: str) -> object:
    try:
        return json.loads(body, object_pairs_hook=_unique, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise BadBody(
            f"the body is no JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None
    except RecursionError:
        raise BadBody("the body is nested too deep") from None


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    # RFC 8259 §4: what a duplicate name means differs between parsers
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise BadBody(f"the body has the key {key[:80]!r} twice")
        found[key] = value
    return found


def _no_constant(name: str) -> object:
    raise BadBody(f"the body has {name}, which is no JSON number")
