"""The Model Context Protocol over HTTP, revisions 2024-11-05 to 2026-07-28: what a client asks for,
and what it gets to see of the answer.

The body is the source of truth; what the head says must agree with it. Whether something is
allowed is asked of a `May`; nothing here decides.
"""

from __future__ import annotations

from amaze_proxy.protocols.mcp.asking import REFUSED, Asked, May, Told
from amaze_proxy.protocols.mcp.fingerprints import fingerprint
from amaze_proxy.protocols.mcp.head import HeaderMismatch, McpHead, UnknownVersion, read_head
from amaze_proxy.protocols.mcp.meta import context_in, with_context
from amaze_proxy.protocols.mcp.refusals import (
    DECISION,
    RpcFault,
    ping_instead,
    refusal_body,
    rpc_fault,
)
from amaze_proxy.protocols.mcp.request import (
    KNOWN_METHODS,
    McpRequest,
    NotUnderstood,
    Operation,
    classify,
)
from amaze_proxy.protocols.mcp.screen import Screen, screen
from amaze_proxy.protocols.mcp.versions import VERSIONS, batches_allowed, is_stateless

__all__ = [
    "DECISION",
    "KNOWN_METHODS",
    "REFUSED",
    "VERSIONS",
    "Asked",
    "HeaderMismatch",
    "May",
    "McpHead",
    "McpRequest",
    "NotUnderstood",
    "Operation",
    "RpcFault",
    "Screen",
    "Told",
    "UnknownVersion",
    "batches_allowed",
    "classify",
    "context_in",
    "fingerprint",
    "is_stateless",
    "ping_instead",
    "read_head",
    "refusal_body",
    "rpc_fault",
    "screen",
    "with_context",
]
