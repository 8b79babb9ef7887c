"""What an agent is shown of a server's lists: what it could call, at some point of some turn."""

from __future__ import annotations

from amaze_proxy.policy.decision import Reason
from amaze_proxy.policy.model import Enforcement, OnBreach, OnToolChange, Policy
from amaze_proxy.policy.request import AccessRequest, PromptGet, ResourceRead, ToolCall
from amaze_proxy.policy.rules import due_steps, findings, waived

Offer = ToolCall | ResourceRead | PromptGet


def hides(policy: Policy | None) -> bool:
    """Whether lists are filtered at all: not where every breach passes, and not without a policy,
    whose agent may look at what there is and call nothing."""
    if policy is None or policy.enforcement is Enforcement.SHADOW:
        return False
    return policy.on_violation is OnBreach.BLOCK or policy.on_tool_change is OnToolChange.DENY


def offered(offer: Offer, policy: Policy) -> bool:
    """Whether the policy could let the call pass with the right arguments, in the right order."""
    against = findings(AccessRequest("", offer), policy, due_steps(offer, policy))
    return all(
        one.reason is Reason.ARGUMENT_NOT_ALLOWED or waived(one.reason, policy) for one in against
    )
