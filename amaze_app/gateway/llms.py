"""LLM hosts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from amaze_app.gateway.desk import Deed, Desk
from amaze_app.gateway.principal import Need, Principal
from amaze_app.gateway.refusals import Refused, told
from amaze_app.gateway.servers import EntryPage, page_of
from amaze_proxy.control.api import views
from amaze_proxy.control.naming import BUILT_IN_PROVIDERS
from amaze_proxy.control.registry import Dialect

DIALECTS = tuple(map(str, Dialect))


class LlmDesk(Desk):
    """All methods raise Refused and Outage."""

    built_in = tuple(sorted(BUILT_IN_PROVIDERS))
    """Providers that need no registration."""

    async def page(self, who: Principal, after: str = "", limit: int = 50) -> EntryPage:
        """At most `limit` LLM hosts behind the name `after`."""
        self._needs(who, Need.VIEWER)
        with told():
            found = await self._services.llms.page("", after, limit + 1)
        return page_of(found, limit)

    async def create(self, who: Principal, name: str, url: str, dialect: str) -> None:
        """A host beside the built-in providers; `dialect` is one of DIALECTS."""
        if dialect not in DIALECTS:
            raise Refused(f"the dialect must be one of {', '.join(DIALECTS)}")
        llms = self._services.llms
        await self._change(who, "create", name, lambda: llms.create(name, url, Dialect(dialect)))

    async def delete(self, who: Principal, name: str) -> None:
        """Its next call is refused."""
        await self._change(who, "delete", name, lambda: self._services.llms.delete(name))

    async def _change(
        self, who: Principal, what: str, name: str, do: Callable[[], Awaitable[object]]
    ) -> None:
        async def look() -> object:
            return views.llm(await self._services.llms.get(name))

        self._needs(who, Need.ADMIN)
        with told():
            await self._act(who, Deed(f"llms.{what}", f"llms/{name}", look), do)
