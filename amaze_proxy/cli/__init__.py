"""`amaze …`: the command line. Exit codes: 0 done, 1 refused or failed, 2 used wrongly."""

from __future__ import annotations

import click

from amaze_proxy.cli import agents, audit, demo, doctor, platform, policy, run


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
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


for command in (
    platform.up,
    platform.proxy,
    platform.control,
    platform.config,
    demo.demo,
    run.run,
    agents.agents,
    policy.policy,
    audit.audit,
    doctor.doctor,
):
    main.add_command(command)
