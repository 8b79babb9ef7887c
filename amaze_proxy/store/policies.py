"""The active policy of each agent: what the history has published for the proxy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from amaze_proxy.store import keys, library
from amaze_proxy.store.client import Client, translate


@dataclass(frozen=True, slots=True)
class Published:
    """A version of an agent's policy; `document` as it was saved, `sha256` hex of it."""

    version: int
    sha256: str
    document: str


class Policies:
    """All methods raise StoreUnavailable."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def publish(self, agent_id: str, version: int, sha256: str, document: str) -> bool:
        """Make it the active one, from the next call on. False if a newer version is active
        already (or another text with the same number): it never goes backwards."""
        if version < 1:
            raise ValueError("versions begin with 1")
        named = (keys.policy(agent_id),)
        return bool(
            await library.call(self._client, "policy_publish", named, version, sha256, document)
        )

    async def get(self, agent_id: str) -> Published | None:
        """The active policy; None: the agent is denied everything."""
        with translate():
            version, sha256, document = await self._client.hmget(  # type: ignore[misc]
                keys.policy(agent_id), ["version", "sha256", "document"]
            )
        if version is None:
            return None
        return Published(int(version), sha256.decode(), document.decode())

    async def versions(self, agent_ids: Iterable[str]) -> dict[str, int]:
        """The active version of each (0: none), for the reconciler."""
        found = {}
        for agent_id in agent_ids:
            with translate():
                version = await self._client.hget(  # type: ignore[misc]
                    keys.policy(agent_id), "version"
                )
            found[agent_id] = int(version or 0)
        return found

    async def withdraw(self, agent_id: str) -> bool:
        """The agent has no policy from the next call on."""
        with translate():
            return bool(await self._client.delete(keys.policy(agent_id)))
