"""How the platform runs: health, the CA, the settings in force, what to scrape."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import version

import reflex as rx

from amaze_app import connecting, routes
from amaze_app.components.code import code_block
from amaze_app.components.elements import badge, section
from amaze_app.components.native_form import native_link
from amaze_app.components.table import cell, data_table, line
from amaze_app.gate import allowed
from amaze_app.gateway import Need, Principal
from amaze_app.shell import page
from amaze_app.state import PageState

_ABOUT = {
    "control": "control API: registration, policies, archive",
    "proxy": "the enforcement point that agents call through",
    "ui": "this web UI",
    "redis": "runtime state, counters, streams",
    "sql": "policy history, users, archive",
    "published": "policies and registry in the store",
    "archive": "from the streams into SQL",
}


@dataclass(frozen=True)
class PartRow:
    """A part and `ok`, or what is wrong with it."""

    name: str
    state: str
    about: str


@dataclass(frozen=True)
class SettingRow:
    """A setting in force, without secrets."""

    name: str
    value: str
    about: str


class SettingsState(PageState):
    """Read when the page is opened."""

    parts: rx.Field[list[PartRow]] = rx.field(default_factory=list)
    settings: rx.Field[list[SettingRow]] = rx.field(default_factory=list)
    versions: rx.Field[list[tuple[str, str]]] = rx.field(default_factory=list)
    scrape: str = ""
    trust: str = ""
    metrics: str = ""
    loaded: bool = False

    @allowed(Need.VIEWER)
    async def load(self) -> None:
        """Asks all parts."""
        await self._open()
        self.loaded = True

    async def _show(self, who: Principal) -> None:
        desk, settings = self._gateway.health, self._gateway.settings
        found = {**await desk.processes(who), "ui": "ok", **await desk.parts(who)}
        ours = desk.settings(who) if who.may(Need.READER) else ()
        self._put(
            parts=[PartRow(name, state, _ABOUT.get(name, "")) for name, state in found.items()],
            settings=[SettingRow(one.name, one.value, one.about) for one in ours],
            versions=[
                ("aMaze Control Plane", version("amaze-control-plane")),
                ("Reflex", version("reflex")),
                ("Python", platform.python_version()),
            ],
            scrape=scrape_config(settings.control_port, settings.proxy_port),
            trust=connecting.fetch_ca(settings, self._host),
            metrics="a key is set: send it as Authorization: Bearer KEY"
            if settings.metrics_key
            else "no key is set (AMAZE_METRICS_KEY): this machine alone may read them",
        )


def scrape_config(control_port: int, proxy_port: int) -> str:
    """What Prometheus needs; HOST is left to fill in. Pure."""
    return f"""scrape_configs:
  - job_name: amaze
    authorization: {{credentials: METRICS-KEY}}
    static_configs:
      - targets: ["HOST:{control_port}", "HOST:{proxy_port}"]"""


@rx.page(route=routes.SETTINGS, title="Settings · aMaze", on_load=SettingsState.load)
def settings() -> rx.Component:
    """The page."""
    return page(
        "Settings",
        rx.el.div(
            section(
                "Health",
                data_table(
                    ("Part", "State", "What it is"),
                    SettingsState.parts,
                    _part,
                    loaded=SettingsState.loaded,
                    nothing=rx.el.p("Nothing is known yet.", class_name="a-dim px-4 pb-4"),
                    label="Health",
                ),
            ),
            rx.el.div(
                _certificate(),
                rx.cond(SettingsState.loaded, _versions()),
                class_name="flex min-w-0 flex-col gap-5",
            ),
            class_name="grid items-start gap-5 xl:grid-cols-2",
        ),
        # what stands below appears when its place is known: nothing moves
        rx.cond(SettingsState.loaded, rx.el.div(_metrics(), class_name="mt-5")),
        rx.cond(
            SettingsState.loaded & PageState.can_read_all,
            rx.el.div(_settings(), class_name="mt-5"),
        ),
    )


def _part(row: rx.Var[PartRow]) -> rx.Component:
    good = row.state == "ok"
    return line(
        cell(row.name, class_name="font-medium"),
        cell(
            badge(rx.cond(good, "ok", "not ok"), rx.cond(good, "good", "bad")),
            rx.cond(good, rx.fragment(), rx.el.p(row.state, class_name="mt-1 text-xs")),
        ),
        cell(row.about, class_name="text-xs a-dim"),
        key=row.name,
        part=row.name,
    )


def _certificate() -> rx.Component:
    return section(
        "CA certificate",
        rx.el.div(
            rx.el.p(
                "Agents have to trust it: the proxy opens their TLS. The SDK and ",
                rx.el.code("amaze run"),
                " see to it by themselves; for others, on their machine:",
                class_name="mb-2 text-sm a-dim",
            ),
            code_block(SettingsState.trust, "copy-ca"),
            class_name="px-4 pb-4",
        ),
        beside=native_link(
            "Download ca.pem", href=routes.CA, download="ca.pem", class_name="a-button"
        ),
    )


def _versions() -> rx.Component:
    return section(
        "Versions",
        rx.el.dl(
            rx.foreach(
                SettingsState.versions,
                lambda one: rx.el.div(
                    rx.el.dt(one[0], class_name="text-xs a-dim"),
                    rx.el.dd(one[1], class_name="text-sm tabular-nums"),
                ),
            ),
            class_name="grid min-h-12 grid-cols-3 gap-3 px-4 pb-4",
        ),
    )


def _metrics() -> rx.Component:
    return section(
        "Metrics",
        rx.el.div(
            rx.el.p(
                "Prometheus format at /metrics of the control API and of the proxy; ",
                SettingsState.metrics,
                ".",
                class_name="mb-2 text-sm a-dim",
            ),
            code_block(SettingsState.scrape, "copy-scrape"),
            class_name="px-4 pb-4",
        ),
    )


def _settings() -> rx.Component:
    return section(
        "Settings in force",
        rx.el.p(
            "Of this process, without secrets. ",
            rx.el.code("amaze config"),
            " also says where each comes from.",
            class_name="px-4 pb-2 text-xs a-dim",
        ),
        data_table(
            ("Setting", "Value", "What it is"),
            SettingsState.settings,
            lambda row: line(
                cell(rx.el.code(row.name)),
                cell(rx.cond(row.value != "", row.value, "–"), class_name="break-all"),
                cell(row.about, class_name="text-xs a-dim"),
                key=row.name,
                setting=row.name,
            ),
            loaded=SettingsState.loaded,
            nothing=rx.el.p("No settings to show.", class_name="a-dim px-4 pb-4"),
            label="Settings in force",
        ),
    )
