"""Drafts of policies, kept so that neither a lost connection nor a restart loses them."""

from __future__ import annotations

from amaze_proxy.control.clock import Clock
from amaze_proxy.control.errors import PolicyInvalid, checked_id
from amaze_proxy.history.bundle import History
from amaze_proxy.history.drafts import Draft
from amaze_proxy.policy.document import MOST_CHARACTERS

__all__ = ["MOST_LAYOUT", "MOST_TEXT", "Draft", "Drafts"]

MOST_TEXT = MOST_CHARACTERS
MOST_LAYOUT = 64 * 1024
"""Characters of a layout: 500 nodes need less."""


class Drafts:
    """One for each account and agent. Who may is asked by whoever calls."""

    def __init__(self, history: History, clock: Clock) -> None:
        self._history = history
        self._clock = clock

    async def get(self, account: str, agent_id: str) -> Draft | None:
        """None: there is none. Raises InvalidId, HistoryUnavailable."""
        return await self._history.drafts.get(account, checked_id(agent_id))

    async def keep(
        self, account: str, agent_id: str, text: str, seen: int, layout: str = ""
    ) -> None:
        """In place of the last one; the text may be no policy. `seen` is the version that it began
        with (0: none). Raises InvalidId, PolicyInvalid when it is too long, HistoryUnavailable."""
        for what, given, most in (
            ("draft", text, MOST_TEXT),
            ("layout", layout, MOST_LAYOUT),
        ):
            if len(given) > most:
                raise PolicyInvalid(f"the {what} is longer than {most} characters: it is not kept")
            if not _storable(given):
                raise PolicyInvalid(f"the {what} has characters that are none: it is not kept")
        draft = Draft(account, checked_id(agent_id), text, seen, layout, self._clock())
        await self._history.drafts.put(draft)

    async def drop(self, account: str, agent_id: str, text: str | None = None) -> None:
        """Forgets it, if there is one; where `text` is given, only that one. Raises InvalidId,
        HistoryUnavailable."""
        await self._history.drafts.delete(account, checked_id(agent_id), text)


def _storable(text: str) -> bool:
    """PostgreSQL has no NUL in a text, and no database half a character; nor has a policy."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False
