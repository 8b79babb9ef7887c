"""`amaze …`: the command line. Exit codes: 0 done, 1 refused or failed, 2 used wrongly."""

from __future__ import annotations

from importlib import import_module

import click

# In the order of the help: module and what the command is for. A module is imported only when its
# command runs: `amaze run` is in front of every start of an agent, and need not load a server.
_COMMANDS = {
    "up": ("platform", "start the platform on this machine"),
    "demo": ("demo", "watch calls pass and be refused, without an API key"),
    "run": ("run", "run any program as an agent"),
    "agents": ("agents", "identities: create, approve, quarantine, rotate"),
    "policy": ("policy", "what an agent may do: put, get, versions, rollback"),
    "mcp": ("mcp", "MCP servers: register, approve, reject"),
    "llm": ("llm", "LLM hosts beside the built-in providers: add, delete"),
    "audit": ("audit", "calls as they are decided; is the log whole; export"),
    "users": ("users", "people: create, roles, passwords, disable"),
    "keys": ("keys", "API keys of people: create, revoke"),
    "login": ("people", "sign in from here, by password or API key"),
    "logout": ("people", "end the session, forget it here"),
    "whoami": ("people", "who the commands act as"),
    "traces": ("traces", "what happened: conversations, call by call"),
    "stats": ("traces", "calls, tokens, cost and latency, over time"),
    "doctor": ("doctor", "what is wrong on this machine, and the fix"),
    "config": ("config", "the settings in force, and where each came from"),
    "proxy": ("platform", "the proxy alone"),
    "control": ("platform", "the control API alone"),
    "ui": ("platform", "the web UI alone"),
}


class Commands(click.Group):
    """The commands of `_COMMANDS`, loaded when asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _ = _COMMANDS[cmd_name]
        found = getattr(import_module(f"amaze_proxy.cli.{module}"), cmd_name)
        assert isinstance(found, click.Command)  # noqa: S101 (the table above)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in _COMMANDS.items()])


@click.command(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="amaze-control-plane", prog_name="amaze")
def main() -> None:
    """aMaze Control Plane: governance for AI agents.

    \b
    amaze demo                       watch calls pass and be refused, without an API key
    amaze up                         start the platform on this machine
    amaze agents create my-agent     an identity for an agent
    amaze policy put my-agent FILE   what it may do
    amaze run --agent my-agent -- python agent.py
    """
