"""`amaze run -- CMD`: any program as an agent, without a change in its code."""

from __future__ import annotations

import os
import sys

import click
import httpx

from amaze_proxy import launch
from amaze_proxy.cli.common import Failed, plainly, settings_of, usage_error
from amaze_proxy.cli.credentials import credential_file, save_credential
from amaze_proxy.policy.ids import check_agent_id
from amaze_proxy.settings import Settings


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--agent", "agent_id", envvar="AMAZE_AGENT_ID", help="who runs  [AMAZE_AGENT_ID]")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, required=True)
@plainly(OSError)
def run(agent_id: str | None, command: tuple[str, ...]) -> None:
    """Run COMMAND as an agent: identity, proxy and CA in its environment.

    The credential is AMAZE_CREDENTIAL, or the one that this machine keeps for the agent, or one
    that is registered for now (a new agent has to be approved by an operator).

    \b
    amaze run --agent research-agent -- python agent.py
    """
    if not agent_id:
        usage_error("say which agent runs: --agent ID, or AMAZE_AGENT_ID")
    try:
        check_agent_id(agent_id)
    except ValueError as error:
        usage_error(str(error))
    settings = settings_of()
    proxy_url = os.environ.get("AMAZE_PROXY_URL", settings.proxy_url)
    control_url = os.environ.get("AMAZE_ORCHESTRATOR_URL", settings.control_url)
    with httpx.Client(base_url=control_url, trust_env=False, timeout=10) as client:
        ca_pem = _fetch_ca(client)
        credential = _credential(settings, client, agent_id)
    try:
        trust = launch.write_trust(settings.data_dir / "trust", ca_pem, None)
    except ValueError:
        raise Failed(
            f"{control_url}/ca.pem is no certificate: is AMAZE_ORCHESTRATOR_URL the control API?"
        ) from None
    try:
        env = launch.child_environment(
            os.environ,
            proxy_url=proxy_url,
            agent_id=agent_id,
            credential=credential,
            ca_pem=trust.ca,
            bundle=trust.bundle,
            truststore=trust.truststore,
        )
    except ValueError as error:
        raise Failed(f"AMAZE_PROXY_URL: {error}") from None
    try:
        sys.exit(launch.exec_child(list(command), env))
    except FileNotFoundError:
        raise Failed(f"there is no command {command[0]!r}: is it on the PATH?") from None
    except PermissionError:
        raise Failed(f"{command[0]!r} cannot be executed: is it a program?") from None


def _fetch_ca(client: httpx.Client) -> bytes:
    try:
        answer = client.get("/ca.pem")
        trouble = "" if answer.is_success else f"HTTP {answer.status_code}"
    except httpx.HTTPError as error:
        trouble = str(error)
    if trouble:
        raise Failed(
            f"the CA certificate cannot be fetched from {client.base_url} ({trouble}); is `amaze "
            "up` running? AMAZE_ORCHESTRATOR_URL says where the control API is"
        )
    return answer.content


def _warn_if_refused(client: httpx.Client, agent_id: str, credential: str, where: str) -> None:
    """Says now what few clients show later: of a refused CONNECT most print the number 407."""
    try:
        answer = client.get(f"/agents/{agent_id}", headers={"X-Amaze-Bearer": credential})
    except httpx.HTTPError:
        return
    if answer.status_code in (401, 403):
        click.echo(
            f"amaze: {where} is no credential of agent {agent_id} that works now: calls will be "
            f"refused. Pending? `amaze agents approve {agent_id}`. Rotated or deleted? Give the "
            "new one as AMAZE_CREDENTIAL",
            err=True,
        )


def _credential(settings: Settings, client: httpx.Client, agent_id: str) -> str:
    if given := os.environ.get("AMAZE_CREDENTIAL"):
        _warn_if_refused(client, agent_id, given, "AMAZE_CREDENTIAL")
        return given
    path = credential_file(settings.data_dir, agent_id)
    if path.exists():
        kept = path.read_text().strip()
        _warn_if_refused(client, agent_id, kept, str(path))
        return kept
    headers = {"X-Amaze-Enroll-Key": settings.enroll_key} if settings.enroll_key else {}
    try:
        answer = client.post("/register", json={"agent_id": agent_id}, headers=headers)
    except httpx.HTTPError as error:
        raise Failed(f"the agent cannot be registered: {error}") from None
    if not answer.is_success:
        raise Failed(f"the agent was not registered: {_detail(answer)}")
    found = answer.json()
    save_credential(settings.data_dir, agent_id, found["bearer_token"])
    if found["status"] != "approved":
        click.echo(
            f"amaze: the new credential of agent {agent_id} is {found['status']}: its calls are "
            f"refused until an operator runs `amaze agents approve {agent_id}`. Is there one "
            "already? Give it as AMAZE_CREDENTIAL",
            err=True,
        )
    return str(found["bearer_token"])


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json().get("detail", answer.text))
    except ValueError:
        return answer.text[:300]
