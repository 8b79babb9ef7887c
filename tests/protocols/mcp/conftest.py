from dataclasses import dataclass, field

import pytest

from amaze_proxy.protocols import jsonrpc
from amaze_proxy.protocols.mcp import McpHead, McpRequest, classify


@dataclass
class Policy:
    """A `May` that allows what it lists."""

    tools: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    refused: dict[str, str] = field(default_factory=dict)
    filters: bool = True
    told: list[tuple[str, str]] = field(default_factory=list)

    def tool(self, name: str, sha256: str) -> bool:
        self.told.append((name, sha256))
        return name in self.tools

    def resource(self, uri: str) -> bool:
        return uri in self.uris

    def prompt(self, name: str) -> bool:
        return name in self.prompts

    def feature(self, method: str) -> str:
        return self.refused.get(method, "")


@pytest.fixture(scope="session")
def policy():
    """Makes a `May`."""
    return Policy


@pytest.fixture(scope="session")
def ask():
    """Makes the request that a method and its params are."""

    def make(method: str, params=None, *, version: str = "", request_id=7) -> McpRequest:
        document = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params or {}}
        return classify(jsonrpc.read(document), McpHead(version))

    return make
