"""Routes of LLM hosts beside the built-in providers."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from amaze_proxy.control.api import views
from amaze_proxy.control.api.call import Call
from amaze_proxy.control.api.schemas import CreateLlmBody

_PAGE = 100
_MOST = 1000


async def index(call: Call) -> Response:
    """A page of hosts by name."""
    limit = call.number("limit", _PAGE, _MOST)
    found = await call.services.llms.page("", call.label("after"), limit + 1)
    following = found[limit - 1].name if len(found) > limit else None
    page = [views.llm(record) for record in found[:limit]]
    return JSONResponse({"llms": page, "next": following})


async def create(call: Call) -> Response:
    """A host that agents may be allowed to call."""
    body = await call.body(CreateLlmBody)
    saved = await call.services.llms.create(body.name, body.url, body.dialect)
    return JSONResponse({**views.llm(saved.record), "in_force": saved.in_force}, 201)


async def show(call: Call) -> Response:
    """One host."""
    return JSONResponse(views.llm(await call.services.llms.get(call.name)))


async def delete(call: Call) -> Response:
    """Forgets a host."""
    await call.services.llms.delete(call.name)
    return Response(status_code=204)
