"""A2A (Agent2Agent, https://a2a-protocol.org) in the versions 1.0, 0.3 and 0.2: requests of the
JSON-RPC and REST bindings and for agent cards, refusals that the clients can read, answers.
"""

from __future__ import annotations

from amaze_proxy.protocols.a2a.answers import Stream, failed
from amaze_proxy.protocols.a2a.cards import interfaces
from amaze_proxy.protocols.a2a.refusals import refusal, stream_refusal
from amaze_proxy.protocols.a2a.request import A2aRequest, Binding, NotUnderstood, Operation
from amaze_proxy.protocols.a2a.rest import card_request, classify_rest, is_card
from amaze_proxy.protocols.a2a.rpc import KNOWN_METHODS, classify_rpc
from amaze_proxy.protocols.a2a.text import text_of

__all__ = [
    "KNOWN_METHODS",
    "A2aRequest",
    "Binding",
    "NotUnderstood",
    "Operation",
    "Stream",
    "card_request",
    "classify_rest",
    "classify_rpc",
    "failed",
    "interfaces",
    "is_card",
    "refusal",
    "stream_refusal",
    "text_of",
]
