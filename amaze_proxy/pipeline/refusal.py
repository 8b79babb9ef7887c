"""A refusal: raised anywhere on the line, answered and recorded at its one exit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from amaze_proxy.policy.decision import Reason
from amaze_proxy.protocols.mcp import RpcFault
from amaze_proxy.store.admission import Admitted, LimitState
from amaze_proxy.wire.ingress import Fault, FaultKind

STATUS: Mapping[Reason, int] = {
    Reason.INVALID_BEARER: 403,
    Reason.AGENT_NOT_APPROVED: 403,
    Reason.AGENT_QUARANTINED: 403,
    Reason.POLICY_NOT_FOUND: 403,
    Reason.NOT_ALLOWED: 403,
    Reason.MCP_NOT_ALLOWED: 403,
    Reason.TOOL_NOT_ALLOWED: 403,
    Reason.ARGUMENT_NOT_ALLOWED: 403,
    Reason.TOOL_CHANGED: 403,
    Reason.LLM_NOT_ALLOWED: 403,
    Reason.HOST_NOT_ALLOWED: 403,
    Reason.GRAPH_VIOLATION: 403,
    Reason.EDGE_LOOP_EXCEEDED: 429,
    Reason.BUDGET_EXCEEDED: 403,
    Reason.RATE_LIMIT_EXCEEDED: 403,
    Reason.MALFORMED_REQUEST: 400,
    Reason.AUTHORITY_MISMATCH: 400,
    Reason.REQUEST_TOO_LARGE: 413,
    Reason.INVALID_TURN: 403,
    Reason.UPSTREAM_UNREACHABLE: 502,
    Reason.UPSTREAM_TIMEOUT: 504,
    Reason.REDIS_UNAVAILABLE: 503,
    Reason.INTERNAL_ERROR: 403,
}

_ADVICE: Mapping[Reason, str] = {
    Reason.INVALID_BEARER: (
        "set HTTP_PROXY=http://<agent_id>:<credential>@<proxy>, or start it with `amaze run`"
    ),
    Reason.AGENT_NOT_APPROVED: "ask an operator to approve it: `amaze agents approve {agent}`",
    Reason.AGENT_QUARANTINED: "an operator can release it: `amaze agents release {agent}`",
    Reason.POLICY_NOT_FOUND: "give it one: `amaze policy put {agent} FILE`",
    Reason.HOST_NOT_ALLOWED: "an operator can add it to `allowed_hosts` of the policy",
    Reason.MALFORMED_REQUEST: "send one well-formed request; the message says what is wrong",
    Reason.AUTHORITY_MISMATCH: "the Host, the TLS server name and the CONNECT target must agree",
    Reason.REQUEST_TOO_LARGE: "send less, or raise AMAZE_REQUEST_BODY_MAX on the proxy",
    Reason.INVALID_TURN: "use the X-Amaze-Turn that came with the message being handled",
    Reason.UPSTREAM_UNREACHABLE: "check that the target is up and that the proxy can reach it",
    Reason.UPSTREAM_TIMEOUT: "the target did not answer in time; try again later",
    Reason.REDIS_UNAVAILABLE: "nothing passes while the store is away; try again in a moment",
    Reason.INTERNAL_ERROR: "this is a fault of the proxy: give the decision id to its operator",
    Reason.GRAPH_VIOLATION: "keep to the graph, or have an operator change it",
    Reason.EDGE_LOOP_EXCEEDED: "go on to a next step, or have an operator raise its `max_loops`",
    Reason.BUDGET_EXCEEDED: "the budget is full again with the next message",
    Reason.RATE_LIMIT_EXCEEDED: "wait until older use has left the window, or raise the limit",
}


@dataclass(eq=False)
class Refused(Exception):
    """Stops the line. `status` overrides the reason's own; `error` is for the record alone;
    `fault` is what MCP's own errors have for it."""

    reason: Reason
    message: str
    advice: str = ""
    status: int = 0
    limits: tuple[LimitState, ...] = ()
    error: str = ""
    fault: RpcFault | None = None

    @property
    def denied(self) -> bool:
        """Whether we refused; a target that could not be reached is not a denial."""
        return self.reason not in (Reason.UPSTREAM_UNREACHABLE, Reason.UPSTREAM_TIMEOUT)

    @property
    def http_status(self) -> int:
        return self.status or STATUS[self.reason]

    def words(self, agent_id: str) -> str:
        """The message with what to do."""
        advice = self.advice or _ADVICE.get(self.reason, "").format(agent=agent_id or "<agent_id>")
        return f"{self.message}: {advice}" if advice else self.message


_FAULT_REASON = {
    FaultKind.AUTHORITY_MISMATCH: Reason.AUTHORITY_MISMATCH,
    FaultKind.TOO_LARGE: Reason.REQUEST_TOO_LARGE,
}


def from_fault(fault: Fault) -> Refused:
    """The refusal that broken bytes mean."""
    reason = _FAULT_REASON.get(fault.kind, Reason.MALFORMED_REQUEST)
    return Refused(reason, f"{fault.kind.value}: {fault.detail}", status=fault.status)


def from_admission(answer: Admitted, agent_id: str) -> Refused:
    """The refusal that the store's answer means."""
    reason = answer.reason or Reason.INTERNAL_ERROR
    return Refused(reason, _words(reason, answer, agent_id), limits=answer.limits)


def _words(reason: Reason, answer: Admitted, agent_id: str) -> str:
    match reason:
        case Reason.INVALID_BEARER:
            return f"the credential is not a valid one of agent {agent_id!r}"
        case Reason.AGENT_NOT_APPROVED:
            return f"agent {agent_id!r} is not approved"
        case Reason.AGENT_QUARANTINED:
            return f"agent {agent_id!r} is quarantined"
        case Reason.BUDGET_EXCEEDED | Reason.RATE_LIMIT_EXCEEDED:
            return _budget_words(answer)
        case Reason.GRAPH_VIOLATION:
            return f"the call is out of order in the execution graph; expected: {answer.expected}"
        case Reason.EDGE_LOOP_EXCEEDED:
            return "the step of the execution graph has run as often as it may in this turn"
        case _:
            return f"refused: {reason.value}"


def _budget_words(answer: Admitted) -> str:
    failed = next((x for x in answer.limits if x.name == answer.failed_limit), None)
    if failed is None:
        return f"the limit {answer.failed_limit!r} does not allow this call"
    unit = " micro-dollars" if failed.name.startswith("cost") else ""
    wait = f"; room in about {-(-answer.retry_after_ms // 1000)} s" if answer.retry_after_ms else ""
    # only tokens and money can be left and still be too little
    more = ", and it could use more: lower its output limit or its input" if failed.left else ""
    return (
        f"the limit {failed.name!r} does not allow this call: {failed.used} of "
        f"{failed.maximum}{unit} used or reserved, {failed.left} left{more}{wait}"
    )
