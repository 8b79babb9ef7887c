"""How a call to an upstream can fail. The texts may be shown to the caller."""

from __future__ import annotations


class UpstreamError(Exception):
    """The upstream gave no complete answer. `detail` says why."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class Unreachable(UpstreamError):
    """No connection: the name does not resolve, nobody accepts, or TLS fails."""


class UpstreamTimeout(UpstreamError):
    """The upstream took too long to accept, to answer, or to go on answering."""


class AddressRefused(UpstreamError):
    """The target is at an address that must not be dialled."""


class BrokenResponse(UpstreamError):
    """The response is malformed, ambiguous or cut short."""
