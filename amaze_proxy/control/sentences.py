"""What a denial says to a person: what was refused, by which rule, and what to do."""

from __future__ import annotations

from amaze_proxy.policy.decision import Reason
from amaze_proxy.policy.record import AuditRecord

_KINDS = {"llm": "the model", "mcp": "the tool", "a2a": "the agent", "http": "the host"}
_LONGEST = 200  # characters of what a caller has chosen

_POLICY = "`amaze policy get {agent}`, then `amaze policy put {agent} FILE`"
_RULES: dict[str, tuple[str, str]] = {
    Reason.INVALID_BEARER: ("its credential is not valid", "`amaze agents rotate {agent}`"),
    Reason.AGENT_NOT_APPROVED: ("it is not approved", "`amaze agents approve {agent}`"),
    Reason.AGENT_QUARANTINED: ("it is quarantined", "`amaze agents release {agent}`"),
    Reason.POLICY_NOT_FOUND: ("it has no policy", "`amaze policy put {agent} FILE`"),
    Reason.NOT_ALLOWED: (
        "allowed_agents of its policy or allowed_callers of the other one's does not name it",
        "add it there if it is meant to",
    ),
    Reason.MCP_NOT_ALLOWED: (
        "the MCP server is not registered or not approved",
        "`amaze mcp list`, then register or approve it",
    ),
    Reason.TOOL_NOT_ALLOWED: (
        "allowed_tools does not name it",
        "add it if it is meant to: " + _POLICY,
    ),
    Reason.ARGUMENT_NOT_ALLOWED: (
        "an argument breaks a rule of tool_rules",
        "call it with other arguments, or change the rule",
    ),
    Reason.TOOL_CHANGED: (
        "the tool is not any more what was approved",
        "look at the MCP server, then approve it again",
    ),
    Reason.LLM_NOT_ALLOWED: (
        "allowed_llm_providers or allowed_models does not name it",
        "add it, or use one that is allowed",
    ),
    Reason.HOST_NOT_ALLOWED: ("allowed_hosts does not name it", "add it if it is meant to"),
    Reason.GRAPH_VIOLATION: (
        "the execution graph has another step next",
        "see the graph of its policy: the order of calls is fixed",
    ),
    Reason.EDGE_LOOP_EXCEEDED: (
        "the step ran max_loops times already",
        "go on to a next step, or raise max_loops",
    ),
    Reason.BUDGET_EXCEEDED: (
        "the budget of this turn is used up",
        "send a new message, or raise the budget in its policy",
    ),
    Reason.RATE_LIMIT_EXCEEDED: (
        "the rate limit's window is full",
        "wait for the window to move on, or raise the limit",
    ),
    Reason.MALFORMED_REQUEST: ("the request is malformed", "mend what the agent sends"),
    Reason.AUTHORITY_MISMATCH: (
        "the request names two hosts",
        "send the Host that is connected to",
    ),
    Reason.REQUEST_TOO_LARGE: ("the request is too large", "send less"),
    Reason.INVALID_TURN: (
        "the turn that it showed is not its own or has ended",
        "use the turn of the message at hand",
    ),
    Reason.UPSTREAM_UNREACHABLE: ("it could not be reached", "see that it runs"),
    Reason.UPSTREAM_TIMEOUT: ("it did not answer in time", "see that it runs, and try again"),
    Reason.REDIS_UNAVAILABLE: ("the store does not answer", "see GET /health, and try again"),
    Reason.INTERNAL_ERROR: ("something failed that should not", "see the proxy's log"),
}

REASONS = tuple(map(str, _RULES))
"""All reasons that a call can be refused for."""


def advice(reason: str, agent_id: str) -> tuple[str, str]:
    """By which rule, and what to do about it."""
    rule, todo = _RULES.get(reason, ("it was refused", "see its trace"))
    return rule, todo.format(agent=agent_id)


def sentence(record: AuditRecord) -> str:
    """One denied call in words; nothing of its bodies."""
    rule, todo = advice(record.denial_reason, record.agent_id)
    version = f", policy version {record.policy_version}" if record.policy_version else ""
    return (
        f"{record.agent_id} was refused {_what(record)}: {rule} "
        f"[{record.denial_reason}{version}]. What to do: {todo}."
    )


def _what(record: AuditRecord) -> str:
    name = record.tool or record.model or record.target
    if record.tool and record.target and "/" not in record.tool:
        name = f"{record.target}/{record.tool}"
    shown = "".join(one if one.isprintable() else "?" for one in name[:_LONGEST])
    return f"{_KINDS.get(record.kind, 'the call to')} {shown or 'that it asked for'}"
