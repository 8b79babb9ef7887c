"""The revisions of MCP."""

from __future__ import annotations

VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28")
"""Released, oldest first."""

_WITH_BATCHES = ("", "2025-03-26")
_STATELESS = "2026-07-28"


def batches_allowed(version: str) -> bool:
    """Whether a body may be an array of messages. "" counts as 2025-03-26, the only revision with
    batches: the version header is younger (2025-06-18 §Protocol Version Header says the same)."""
    return version in _WITH_BATCHES


def is_stateless(version: str) -> bool:
    """Whether the revision has routing headers, and no session and no requests by the server."""
    return version >= _STATELESS
