"""`amaze demo`."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from shutil import which

import click
from rich.text import Text

from amaze_proxy import installation, logs
from amaze_proxy.cli.client import admin_key_file
from amaze_proxy.cli.common import Failed, console, plainly, settings_of, settings_options
from amaze_proxy.cli.platform import running, store_url
from amaze_proxy.demo import cast, interpreter, screen, stage
from amaze_proxy.demo.interpreter import AgentsMissing, Interpreter
from amaze_proxy.demo.operator import Operator, Record
from amaze_proxy.settings import Settings, SettingsError
from amaze_proxy.store.errors import StoreError
from amaze_proxy.supervisor import StartError, Supervisor, run, until_signal


@click.command()
@settings_options
@click.option("--exit", "leave", is_flag=True, help="stop when the scenes are played")
@click.option("--no-ui", is_flag=True, help="without the web UI")
@plainly(SettingsError, StoreError, StartError, AgentsMissing)
def demo(leave: bool, no_ui: bool, **flags: str | None) -> None:
    """Watch calls pass and be refused: a mock model, two agents, an MCP server, no API key.

    With --exit the exit code is 1 if a call was decided otherwise than it should be.

    \b
    amaze demo --exit --no-ui
    """
    python = interpreter.find()
    settings = stage.demo_settings(settings_of(flags))
    installation.prepare(settings)
    with installation.claimed(settings):
        installation.check_ports(settings, ui=not no_ui)
        logs.configure(settings, "demo")
        _hand_down(settings)
        run(_demo(settings, python, leave=leave, ui=not no_ui))


def _hand_down(settings: Settings) -> None:
    """Secrets reach the platform's processes by the environment: ours, not those of real data."""
    os.environ.pop("AMAZE_DATABASE_URL", None)
    if settings.admin_key:
        os.environ["AMAZE_ADMIN_KEY"] = settings.admin_key
    if settings.registration_mode == "enroll":
        os.environ["AMAZE_ENROLL_KEY"] = settings.enroll_key or secrets.token_urlsafe(24)


async def _demo(settings: Settings, python: Interpreter, *, leave: bool, ui: bool) -> None:
    _say("starting: store, control API, proxy" + (", web UI" if ui else "") + " …")
    async with stage.mock_provider(settings) as pointed, store_url(pointed) as url:
        platform = await running(pointed, url, ui=ui)
        try:
            as_expected = await _perform(pointed, platform, python)
            if not leave:
                _what_next(pointed, ui)
                await until_signal()
        finally:
            await platform.stop()
    if leave and not as_expected:
        raise Failed("the demo did not go as it should: see the lines that say so")


async def _perform(settings: Settings, platform: Supervisor, python: Interpreter) -> bool:
    """Everybody on stage, and the scenes; whether each went as it should."""
    key = settings.admin_key or admin_key_file(settings.data_dir).read_text().strip()
    async with Operator.at(settings.control_url, key) as operator:
        await _set_up(operator, stage.Stage(platform, settings, python))
        await operator.new_records()  # those of an earlier run
        console.print(
            Text("\nEach line is a call that the proxy decided, as it ends.\n", style="bold")
        )
        console.print(screen.heading(), soft_wrap=True)
        shown: list[Record] = []
        played = [await _play(operator, scene, shown) for scene in cast.SCENES]
        console.print(screen.summary(shown), highlight=False)
        return all(played)


async def _set_up(operator: Operator, on: stage.Stage) -> None:
    _say(f"starting: {cast.LIBRARY} (MCP server), {cast.RESEARCHER}, {cast.WRITER} …")
    credentials = {agent_id: await operator.hire(agent_id) for agent_id in cast.POLICIES}
    _, _, port = await asyncio.gather(
        on.start_library(os.environ.get("AMAZE_ENROLL_KEY", "")),
        on.start_researcher(credentials[cast.RESEARCHER]),
        on.start_writer(credentials[cast.WRITER]),
    )
    await operator.say_where(cast.WRITER, port)
    before = await operator.approve_server(cast.LIBRARY)
    _say("")
    _say(f"{cast.RESEARCHER:<15} uses the aMaze SDK: its users' messages, their turns, A2A")
    _say(f"{cast.WRITER:<15} is LangChain with HTTP_PROXY, and knows nothing of aMaze")
    approved = ", and an operator approved it" if before == "pending" else ""
    _say(f"{cast.LIBRARY:<15} is a fastmcp server: it registered itself ({before}){approved}")


async def _play(operator: Operator, scene: cast.Scene, shown: list[Record]) -> bool:
    """One scene, call by call; whether what was to be refused was, and nothing else."""
    console.print(Text(f"\n{scene.title}", style="bold cyan"), soft_wrap=True)
    console.print(Text(f'user → {cast.RESEARCHER}: "{scene.message}"'), soft_wrap=True)
    calls: list[Record] = []

    def show(record: Record) -> None:
        shown.append(record)
        if not screen.is_housekeeping(record):
            calls.append(record)
            console.print(screen.call(record), soft_wrap=True)
            if (why := screen.why(record)) is not None:
                console.print(why)

    answer = await operator.send(scene.message, show)
    console.print(screen.reply(str(answer["reply"])), soft_wrap=True)
    surprise = _surprise(scene, calls, answer["trace_id"])
    console.print(surprise or screen.trace(calls), soft_wrap=True)
    return surprise is None


def _surprise(scene: cast.Scene, calls: list[Record], trace_id: str) -> Text | None:
    """What is not as it should be."""
    wanted = [scene.reason] if scene.reason else []
    refused = [record["denial_reason"] for record in calls if record["denied"]]
    if refused != wanted:
        words = f"refused should be {wanted}, and were {refused}"
    elif {record["trace_id"] for record in calls} != {trace_id}:
        words = f"not all of these calls are in the trace {trace_id}"
    else:
        return None
    return Text(f"NOT AS IT SHOULD BE: {words}", style="bold red")


def _say(line: str) -> None:
    console.print(Text(line), soft_wrap=True)


def _what_next(settings: Settings, ui: bool) -> None:
    key = admin_key_file(settings.data_dir)
    page = f"  web UI       {settings.ui_url}   (sign in with the key in {key})\n" if ui else ""
    amaze = "amaze" if which("amaze") else sys.argv[0]
    console.print(
        Text(
            f"\nThe platform goes on running; look around:\n\n{page}"
            f"  control API  {settings.control_url}   (OpenAPI: /openapi.json)\n"
            f"  proxy        {settings.proxy_url}\n\n"
            "In another terminal:\n\n"
            f"  export AMAZE_CONTROL_PORT={settings.control_port} "
            f"AMAZE_DATA_DIR={settings.data_dir}\n"
            f"  {amaze} audit tail                          # every call\n"
            f"  {amaze} policy get {cast.WRITER}             # its graph; change it: policy put\n"
            f"  {amaze} mcp reject {cast.LIBRARY}                  # its next call is refused\n"
            f"  {amaze} agents quarantine {cast.WRITER}      # the kill switch\n"
            f'  curl -H "Authorization: Bearer $(cat {key})" \\\n'
            f'    -H "Content-Type: application/json" \\\n'
            f"    {settings.control_url}/agents/{cast.RESEARCHER}/messages \\\n"
            f'    -d \'{{"message": "{cast.SCENES[0].message}"}}\'\n\n'
            "Ctrl-C stops it."
        ),
        highlight=False,
        soft_wrap=True,
    )
