"""The decision: the policy model, and the pure functions that judge a call by it.

No IO, no clock, nothing of a server or a store.
"""

from amaze_proxy.policy.decide import decide
from amaze_proxy.policy.decision import Decision, Effect, Limit, Obligations, Reason
from amaze_proxy.policy.model import (
    Policy,
    PolicyError,
    canonical_json,
    load_policy,
    parse_policy,
    sha256,
)
from amaze_proxy.policy.request import AccessRequest
from amaze_proxy.policy.usage import Charge, Measure, Usage

__all__ = [
    "AccessRequest",
    "Charge",
    "Decision",
    "Effect",
    "Limit",
    "Measure",
    "Obligations",
    "Policy",
    "PolicyError",
    "Reason",
    "Usage",
    "canonical_json",
    "decide",
    "load_policy",
    "parse_policy",
    "sha256",
]
