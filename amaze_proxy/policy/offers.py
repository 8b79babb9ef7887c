"""What an agent is shown of a server's lists: what it could call, at some point of some turn."""

from __future__ import annotations

from amaze_proxy.policy.decision import Reason
from amaze_proxy.policy.model import Enforcement, OnBreach, Policy
from amaze_proxy.policy.request import AccessRequest, PromptGet, ResourceRead, ToolCall
from amaze_proxy.policy.rules import due_steps, findings

Offer = ToolCall | ResourceRead | PromptGet


def hides(policy: Policy | None) -> bool:
    """Whether lists are filtered at all: not where a breach passes, and not without a policy,
    whose agent may look at what there is and call nothing."""
    return (
        policy is not None
        and policy.enforcement is Enforcement.ENFORCE
        and policy.on_violation is OnBreach.BLOCK
    )


def offered(offer: Offer, policy: Policy) -> bool:
    """Whether the policy could let the call pass with the right arguments, in the right order."""
    against = findings(AccessRequest("", offer), policy, due_steps(offer, policy))
    return all(one.reason is Reason.ARGUMENT_NOT_ALLOWED for one in against)
