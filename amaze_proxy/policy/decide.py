"""The decision: may this agent make this call, by its policy?

Pure. Without `usage` it is the static verdict, and `obligations` is what the store must still
check and reserve in one step. With `usage`, budgets and the order of calls are judged too, as the
store judges them. What cannot be decided is denied.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from amaze_proxy.policy.budget import Over, reserve
from amaze_proxy.policy.decision import Decision, Effect, Limit, Obligations, Reason
from amaze_proxy.policy.graph import Misstep, step
from amaze_proxy.policy.model import Policy
from amaze_proxy.policy.obligations import obligations
from amaze_proxy.policy.request import AccessRequest, DiscoveryCall
from amaze_proxy.policy.rules import Finding, due_steps, findings, waived
from amaze_proxy.policy.usage import Charge, Measure, Usage

_NO_CHARGE = Charge()


def decide(
    request: AccessRequest,
    policy: Policy | None,
    usage: Usage | None = None,
    charge: Charge = _NO_CHARGE,
) -> Decision:
    """The verdict on one call of the agent whose policy this is (None: it has none)."""
    try:
        return _decide(request, policy, usage, charge)
    except Exception as error:  # noqa: BLE001 (whatever a rule raises is a denial)
        return Decision(
            Effect.DENY,
            Reason.INTERNAL_ERROR,
            f"the policy could not be applied ({type(error).__name__})",
            "this is a fault of aMaze: give the decision id to its operator",
        )


def _decide(
    request: AccessRequest, policy: Policy | None, usage: Usage | None, charge: Charge
) -> Decision:
    if isinstance(request.resource, DiscoveryCall):
        return Decision(Effect.ALLOW)
    if policy is None:
        return Decision(
            Effect.DENY,
            Reason.POLICY_NOT_FOUND,
            f"agent {request.agent_id!r} has no policy, so it may only look at what MCP servers "
            "offer",
            f"have an operator give it one: `amaze policy put {request.agent_id} FILE`",
        )
    due = due_steps(request.resource, policy)
    duty = obligations(request.resource, policy, due)
    against = chain(
        findings(request, policy, due),
        () if usage is None else _late_findings(duty, usage, charge),
    )
    return _verdict(tuple(against), policy, duty)


def _verdict(against: tuple[Finding, ...], policy: Policy, duty: Obligations) -> Decision:
    blocking = [one for one in against if one.firm or not waived(one.reason, policy)]
    alerts = tuple(dict.fromkeys(one.reason for one in against if one not in blocking))
    first = next((one for one in blocking if one.firm or not duty.shadow), None)
    if first is not None:
        return Decision(Effect.DENY, first.reason, first.message, first.advice, obligations=duty)
    told = (*blocking, *against)[:1]
    return Decision(
        Effect.ALLOW,
        message="".join(one.message for one in told),
        advice="".join(one.advice for one in told),
        alerts=alerts,
        would_deny=blocking[0].reason if blocking else None,
        obligations=duty,
    )


def _late_findings(duty: Obligations, usage: Usage, charge: Charge) -> Iterator[Finding]:
    """What the store would find: budgets first, then the order of calls."""
    outcome = reserve(duty, usage, charge)
    for limit in (outcome.limit,) if isinstance(outcome, Over) else outcome.exceeded:
        yield _over(limit, usage)
    if duty.graph is not None:
        taken = step(duty.graph, usage)
        if isinstance(taken, Misstep):
            yield _misstep(taken)


def _over(limit: Limit, usage: Usage) -> Finding:
    used = usage.used.get(limit.name, 0)
    unit = " micro-dollars" if limit.measure is Measure.COST else ""
    return Finding(
        limit.reason,
        f"the limit {limit.name!r} does not allow this call: {used} of {limit.maximum}{unit} "
        f"used or reserved, {max(0, limit.maximum - used)} left",
        "wait until older use has left the window, or have an operator raise the limit"
        if limit.window_ms
        else "the budget is full again with the next message; an operator can raise it",
    )


def _misstep(taken: Misstep) -> Finding:
    if taken.reason is Reason.EDGE_LOOP_EXCEEDED:
        message = "the step of the execution graph has run as often as it may in this turn"
    else:
        message = "the call is out of order in the execution graph"
    return Finding(taken.reason, f"{message}; expected is {taken.expected}", "keep to the graph")
