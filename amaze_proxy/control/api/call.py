"""What a handler gets: the request, who asks, and the services."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from amaze_proxy.control.api import bodies
from amaze_proxy.control.api.bodies import Body, Invalid
from amaze_proxy.control.api.principals import Principal, Role
from amaze_proxy.control.services import Services

M = TypeVar("M", bound=Body)

_NUMBER = re.compile(r"[0-9]{1,9}")
_LABEL = re.compile(r"[^\x00-\x1f\x7f]{0,500}")


@dataclass(frozen=True, slots=True)
class Call:
    """One request to a route."""

    request: Request
    principal: Principal
    services: Services

    @property
    def agent_id(self) -> str:
        """The agent of the path, unchecked: every service checks it."""
        return str(self.request.path_params["agent_id"])

    @property
    def name(self) -> str:
        """The MCP server or LLM host of the path, unchecked as `agent_id`."""
        return str(self.request.path_params["name"])

    @property
    def user(self) -> str:
        """The user of the path, unchecked as `agent_id`."""
        return str(self.request.path_params["user"])

    @property
    def key_id(self) -> str:
        """The API key of the path, unchecked as `agent_id`."""
        return str(self.request.path_params["key_id"])

    @property
    def address(self) -> str:
        """Where the request comes from."""
        return self.request.client.host if self.request.client else ""

    @property
    def author(self) -> str:
        """Who is written down as the one who did it."""
        return self.principal.name

    async def body(self, model: type[M]) -> M:
        """The JSON body. Raises as `bodies.read`."""
        return await bodies.read(self.request, model, self.services.config.body_max)

    async def text(self) -> str:
        """The body as text. Raises as `bodies.text`."""
        return await bodies.text(self.request, self.services.config.body_max)

    def number(self, name: str, default: int, most: int) -> int:
        """A number of the query, from 1 to `most`. Raises Invalid."""
        given = self.request.query_params.get(name)
        if given is None:
            return default
        if not _NUMBER.fullmatch(given) or not 1 <= int(given) <= most:
            raise Invalid(((name, f"must be a number from 1 to {most}"),))
        return int(given)

    def label(self, name: str) -> str:
        """A short text of the query, "" when it is not there. Raises Invalid."""
        given = self.request.query_params.get(name, "")
        if not _LABEL.fullmatch(given):
            raise Invalid(((name, "must have at most 500 characters, none of them control"),))
        return given


Handler = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the route table. `body` is the schema of a JSON body (None: none, or a policy),
    `other_body` of another one that is taken as well."""

    method: str
    path: str
    role: Role
    handler: Handler
    summary: str
    status: int = 200
    body: type[Body] | None = None
    other_body: type[Body] | None = None
