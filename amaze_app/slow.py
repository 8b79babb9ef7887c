"""Acts that take seconds: a background handler, so that the tab stays usable and live."""

from __future__ import annotations

from collections.abc import Awaitable

from amaze_app.gateway import Outage, Refused
from amaze_app.state import PageState


async def slowly(state: PageState, act: Awaitable[object], said: str) -> None:
    """As `PageState._do`, of a handler with `background=True`: the state is locked only
    afterwards, while what the page shows is read anew."""
    refusal = ""
    try:
        await act
    except (Refused, Outage) as error:
        refusal = str(error)
    async with state:
        await state._refresh()
        state._put(notice=refusal, said="" if refusal else said)
