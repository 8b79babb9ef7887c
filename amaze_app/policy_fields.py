"""The fields of a policy as its form shows them: their names for people, their help. Data."""

from __future__ import annotations

from amaze_app.policy_entries import Entry, Kind

GROUPS: tuple[tuple[str, tuple[Entry, ...]], ...] = (
    (
        "General",
        (
            Entry("name", "Name", "For people.", Kind.TEXT),
            Entry(
                "enforcement",
                "Enforcement",
                "shadow: decide and record what would be denied, and let it pass.",
                Kind.CHOICE,
                ("enforce", "shadow"),
            ),
            Entry(
                "mode",
                "Mode",
                "strict: the calls of a turn in the order of the graph. flexible: in any order.",
                Kind.CHOICE,
                ("flexible", "strict"),
            ),
            Entry(
                "on_violation",
                "On a violation",
                "What is not allowed is blocked, or passes with an alert in its record.",
                Kind.CHOICE,
                ("block", "allow"),
            ),
        ),
    ),
    (
        "Models",
        (
            Entry(
                "allowed_llm_providers",
                "Providers",
                "LLM providers and registered LLM hosts. None: no model may be called.",
                Kind.NAMES,
                known="providers",
                such_as="openai",
            ),
            Entry(
                "allowed_models",
                "Models",
                "provider/pattern, * matches anything. None: any model of the providers above.",
                Kind.NAMES,
                such_as="openai/gpt-4.1*",
            ),
            Entry(
                "allowed_provider_tools",
                "Tools at the provider's side",
                "Web search, code execution, remote MCP: none unless named, as tool or "
                "provider/tool; * matches.",
                Kind.NAMES,
                such_as="web_search*",
            ),
            Entry(
                "unknown_price",
                "Models without a price",
                "Where the price table has not the model: count the provider's dearest "
                "(worst_case), deny, or allow.",
                Kind.CHOICE,
                ("worst_case", "deny", "allow"),
            ),
            Entry(
                "streaming",
                "Streams",
                "block: the whole answer is fetched first, then given as the stream asked for.",
                Kind.CHOICE,
                ("passthrough", "block"),
            ),
        ),
    ),
    (
        "Limits",
        (
            Entry(
                "max_tokens_per_turn",
                "Tokens per turn",
                "Begins anew with each message. 0 or empty: unlimited.",
                Kind.COUNT,
                such_as="50,000",
            ),
            Entry(
                "max_cost_usd_per_turn",
                "Cost per turn, US dollars",
                "Up to six decimal places. 0 or empty: unlimited.",
                Kind.DOLLARS,
                such_as="0.50",
            ),
            Entry(
                "max_tool_calls_per_turn",
                "Tool calls per turn",
                "0 or empty: unlimited.",
                Kind.COUNT,
                such_as="20",
            ),
            Entry(
                "max_agent_calls_per_turn",
                "Calls of agents per turn",
                "0 or empty: unlimited.",
                Kind.COUNT,
                such_as="5",
            ),
            Entry(
                "max_agent_depth",
                "Hops from agent to agent",
                "In one conversation, so that a cycle ends. 0: unlimited; empty: 8.",
                Kind.COUNT,
                such_as="8",
            ),
            Entry(
                "on_budget_exceeded",
                "When a limit is reached",
                "The call is blocked, or passes with an alert in its record.",
                Kind.CHOICE,
                ("block", "allow"),
            ),
            Entry(
                "hard_budgets",
                "Hard budgets",
                "Lower a request's own output limit to what is left, instead of refusing it.",
                Kind.FLAG,
            ),
            Entry(
                "token_rate_limits",
                "Tokens in a sliding window",
                "Each window once: 30s, 10m, 1h, 7d.",
                Kind.TOKENS,
            ),
            Entry(
                "cost_rate_limits",
                "US dollars in a sliding window",
                "Each window once: 30s, 10m, 1h, 7d.",
                Kind.COSTS,
            ),
        ),
    ),
    (
        "Tools",
        (
            Entry(
                "allowed_tools",
                "Tools",
                "tool, or server/tool, of approved MCP servers. None: no tool may be called.",
                Kind.NAMES,
                known="tools",
                such_as="files/read",
            ),
            Entry(
                "tool_rules",
                "Rules for arguments",
                "By tool and argument: equals, one_of, matches, max_length, absent.",
                Kind.YAML,
                such_as='files/read:\n  path: {matches: "/data/[a-z]+\\\\.txt"}',
            ),
            Entry(
                "on_tool_change",
                "A tool that is not as accepted",
                "alert: it passes, with an alert. deny: it is hidden and refused.",
                Kind.CHOICE,
                ("alert", "deny"),
            ),
            Entry(
                "allowed_resources",
                "Resources",
                "MCP resources as server/pattern of the URI; * crosses slashes.",
                Kind.NAMES,
                known="servers",
                such_as="files/file:///data/*",
            ),
            Entry(
                "allowed_prompts",
                "Prompts",
                "MCP prompts as prompt or server/prompt.",
                Kind.NAMES,
                known="servers",
                such_as="files/summarise",
            ),
            Entry(
                "allow_sampling", "Sampling", "MCP servers may ask this agent's model.", Kind.FLAG
            ),
            Entry(
                "allow_elicitation",
                "Elicitation",
                "MCP servers may ask this agent's user.",
                Kind.FLAG,
            ),
        ),
    ),
    (
        "Agents and hosts",
        (
            Entry(
                "allowed_agents",
                "Agents it may call",
                "Their own policies must allow it too. None: it calls no agent.",
                Kind.NAMES,
                known="agents",
                such_as="reviewer",
            ),
            Entry(
                "allowed_callers",
                "Agents that may call it",
                "Without a list: whoever may by its own policy. An empty list: nobody.",
                Kind.CALLERS,
                known="agents",
                such_as="planner",
            ),
            Entry(
                "allowed_hosts",
                "Other hosts",
                "api.example.com, or *.example.com for all below it.",
                Kind.NAMES,
                such_as="api.example.com",
            ),
        ),
    ),
    (
        "Turns and the graph",
        (
            Entry(
                "turns",
                "Turns",
                "gateway: only turns that the control plane or a hop began.",
                Kind.CHOICE,
                ("any", "gateway"),
            ),
            Entry(
                "turn_detection",
                "Turns without the SDK",
                "A new user message begins a turn, or nothing does.",
                Kind.CHOICE,
                ("user_message", "none"),
            ),
            Entry(
                "graph",
                "Graph",
                "The order of a turn's calls, with mode strict. The tab Graph draws it.",
                Kind.YAML,
                such_as="start_step: 1\nsteps: [{step_id: 1, call_type: llm, callee_id: openai}]",
            ),
        ),
    ),
)

FIELDS = {entry.name: entry for _, entries in GROUPS for entry in entries}
