"""Every key in Redis. Keys of one agent share the hash tag `{agent_id}`: one slot, one call."""

from __future__ import annotations

UNKNOWN_AGENT = "_unknown"  # records of callers who did not authenticate; no agent can have this id
ADMIN_LOG = "_admin"  # records of what people change; no agent can have this id either
AMBIENT = "ambient"
AMBIENT_MARK = "~"  # an ambient turn is told as "<name>~<number>"; its counters live at <name>

AGENTS = "agents"
"""Set of every agent id that ever was (an agent's evidence outlives the agent)."""


def agent(agent_id: str) -> str:
    """Hash: status, owner, endpoints, session."""
    return f"agent:{{{agent_id}}}"


def credentials(agent_id: str) -> str:
    """Hash: SHA-256 of a credential in hex -> `state:expires_ms`."""
    return f"cred:{{{agent_id}}}"


def policy(agent_id: str) -> str:
    """Hash: version, sha256, document of the active policy."""
    return f"policy:{{{agent_id}}}"


def audit(agent_id: str) -> str:
    """Stream of records, one field `r` each."""
    return f"audit:{{{agent_id}}}"


def chain(agent_id: str) -> str:
    """Hash: writer -> `seq:hash` of its last record."""
    return f"chain:{{{agent_id}}}"


def turn(agent_id: str, turn_id: str) -> str:
    """Hash of a turn's counters. All ambient turns of one name share a key."""
    return f"turn:{{{agent_id}}}:{turn_id.split(AMBIENT_MARK, 1)[0]}"


def window(agent_id: str, name: str) -> str:
    """Hash: the ring of a sliding window."""
    return f"window:{{{agent_id}}}:{name}"


def reservation(agent_id: str, decision_id: str) -> str:
    """What an admitted call has reserved."""
    return f"resv:{{{agent_id}}}:{decision_id}"


def open_calls(agent_id: str) -> str:
    """Hash: decision id -> what is known of a call that is admitted and not settled yet."""
    return f"open:{{{agent_id}}}"


PROXIES = "proxies"
"""Hash: each proxy worker's instance -> `beat place`, which shows that it lives."""


def means(agent_id: str) -> str:
    """Hash: mean key -> `count:total` of output tokens."""
    return f"mean:{{{agent_id}}}"


def series(agent_id: str, metric: str) -> str:
    """A time series: sums by minute of one of `store.series.Metric`."""
    return f"ts:{{{agent_id}}}:{metric}"


def hops(agent_id: str) -> tuple[str, str, str]:
    """The A2A messages on their way to an agent, by decision id. Hash: `stamp:depth:trace:span`
    of each; sorted sets: by stamp, by depth."""
    tag = f"{{{agent_id}}}"
    return f"hops:{tag}", f"hops:{tag}:stamp", f"hops:{tag}:depth"


MCPS = "mcps"
"""Set of the names of registered MCP servers."""

LLMS = "llms"
"""Set of the names of registered LLM hosts."""

DIRECTORY = "directory"
"""Integer: grows whenever a server, an LLM host or an agent's place changes."""


def mcp(name: str) -> str:
    """Hash: a registered MCP server."""
    return f"mcp:{name}"


def llm(name: str) -> str:
    """Hash: a registered LLM host."""
    return f"llm:{name}"
