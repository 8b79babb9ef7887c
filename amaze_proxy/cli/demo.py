"""`amaze demo`."""

from __future__ import annotations

from typing import Any

import click
from rich.text import Text

from amaze_proxy import installation, logs
from amaze_proxy.cli.audit import heading, line
from amaze_proxy.cli.client import admin_key_file
from amaze_proxy.cli.common import console, plainly, settings_of, settings_options
from amaze_proxy.cli.platform import running, store_url
from amaze_proxy.demo import cast, stage
from amaze_proxy.settings import Settings, SettingsError
from amaze_proxy.store.errors import StoreError
from amaze_proxy.supervisor import StartError, Supervisor, run, until_signal


@click.command()
@settings_options
@click.option("--exit", "leave", is_flag=True, help="stop when the scenes are played")
@click.option("--no-ui", is_flag=True, help="without the web UI")
@plainly(SettingsError, StoreError, StartError)
def demo(leave: bool, no_ui: bool, **flags: str | None) -> None:
    """Watch calls pass and be refused: a mock provider, two agents, no API key."""
    settings = stage.demo_settings(settings_of(flags))
    installation.prepare(settings)
    with installation.claimed(settings):
        installation.check_ports(settings, ui=not no_ui)
        logs.configure(settings, "demo")
        run(_demo(settings, leave=leave, ui=not no_ui))


async def _demo(settings: Settings, *, leave: bool, ui: bool) -> None:
    async with stage.mock_provider(settings) as pointed, store_url(pointed) as url:
        platform = await running(pointed, url, ui=ui)
        try:
            await _play(pointed, platform)
            if not leave:
                _what_next(pointed, ui)
                await until_signal()
        finally:
            await platform.stop()


async def _play(settings: Settings, platform: Supervisor) -> None:
    key = settings.admin_key or admin_key_file(settings.data_dir).read_text().strip()
    operator = stage.Operator(settings, key)
    ca_pem = settings.data_dir / "ca" / "ca.pem"
    credentials = {name: await operator.hire(name) for name in cast.POLICIES}
    env = {
        name: stage.environment(settings, ca_pem, name, credential)
        for name, credential in credentials.items()
    }
    seen = {r["decision_id"] for name in env for r in await operator.records(name)}
    await stage.start_researcher(
        platform, settings, env[cast.RESEARCHER], credentials[cast.RESEARCHER]
    )
    console.print(Text("\nEach line is a call that the proxy decided:\n", style="bold"))
    console.print(heading(), soft_wrap=True)
    for scene in cast.SCENES:
        _caption(f"{cast.RESEARCHER} (SDK): {scene.about}")
        path = f"/agents/{cast.RESEARCHER}/messages"
        await operator.call("POST", path, json={"message": scene.message})
        await _show_new(operator, cast.RESEARCHER, seen)
    _caption(f"{cast.WRITER} (HTTP_PROXY alone): streams, until its budget of the window is gone")
    await stage.run_writer(env[cast.WRITER])
    await _show_new(operator, cast.WRITER, seen)


async def _show_new(operator: stage.Operator, agent_id: str, seen: set[Any]) -> None:
    for record in await operator.records(agent_id):
        if record["decision_id"] not in seen:
            seen.add(record["decision_id"])
            console.print(line(record), soft_wrap=True)


def _caption(text: str) -> None:
    console.print(Text(text, style="dim"), soft_wrap=True)


def _what_next(settings: Settings, ui: bool) -> None:
    key_file = admin_key_file(settings.data_dir)
    page = f"  {settings.ui_url}   (sign in with the key in {key_file})\n\n" if ui else ""
    console.print(
        Text(
            f"\nThe platform goes on running; look around:\n\n{page}"
            f"  export AMAZE_CONTROL_PORT={settings.control_port}\n"
            f"  export AMAZE_DATA_DIR={settings.data_dir}\n"
            f"  amaze audit tail --no-follow      amaze policy get {cast.WRITER}\n"
            f"  amaze agents quarantine {cast.WRITER}\n\nCtrl-C stops it."
        ),
        highlight=False,
    )
