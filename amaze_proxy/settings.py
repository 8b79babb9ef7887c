"""Settings: the only reader of the environment. Frozen once loaded.

A value comes from a flag, else from `AMAZE_*` in the environment, else from `amaze.toml` in the
data directory (keys without the prefix, lower case), else it is the default.
"""

from __future__ import annotations

import ipaddress
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from amaze_proxy import setting_values as values
from amaze_proxy.setting_values import TokenPrice, Upstream


class SettingsError(Exception):
    """A setting has a bad value; the text names it, where it came from, and what is allowed."""


def _setting(default: Any, parse: Callable[[str], Any], about: str, secret: bool = False) -> Any:
    return field(default=default, metadata={"parse": parse, "about": about, "secret": secret})


@dataclass(frozen=True, slots=True)
class Settings:
    """What is in force. Times in seconds, sizes in bytes."""

    data_dir: Path = _setting(
        Path("~/.amaze"), values.path, "where keys, the embedded stores and journals live"
    )
    retention_days: int = _setting(
        0, values.count, "days that calls stay in the archive; 0 = for ever"
    )
    config_dir: Path | None = _setting(
        None, values.optional_path, "policies.yaml and mcp_servers.yaml in it are loaded at start"
    )
    bind: str = _setting("127.0.0.1", values.address, "address that every port listens on")
    proxy_port: int = _setting(8080, values.port, "port of the proxy")
    control_port: int = _setting(8001, values.port, "port of the control API")
    ui_port: int = _setting(5173, values.port, "port of the web UI")
    trusted_proxies: str = _setting(
        "", values.networks, "reverse proxies whose X-Forwarded-* headers the web UI believes"
    )
    proxy_workers: int = _setting(0, values.count, "proxy processes; 0 = one per core")
    redis_url: str = _setting("", str, "Redis or Valkey; empty = embedded", secret=True)
    store_timeout_ms: int = _setting(
        250, values.milliseconds, "a store that is silent for longer has calls refused"
    )
    database_url: str = _setting("", str, "SQL database; empty = SQLite here", secret=True)
    admin_key: str = _setting("", str, "presets the admin API key", secret=True)
    registration: str = _setting(
        "", values.one_of("", "open", "enroll"), "who may register an agent"
    )
    enroll_key: str = _setting("", str, "key that registration asks for", secret=True)
    upstreams: Mapping[str, Upstream] = field(
        default_factory=dict,
        metadata={"parse": values.upstreams, "about": "where a host really is", "secret": False},
    )
    prices: Mapping[str, TokenPrice] = field(
        default_factory=dict,
        metadata={"parse": values.prices, "about": "of models, before the table", "secret": False},
    )
    upstream_ca: Path | None = _setting(
        None, values.optional_path, "CA file trusted beside the roots"
    )
    deny_style: str = _setting(
        "", values.one_of("", "http"), "http = refusals in the plain shape for every client"
    )
    audit_body_max: int = _setting(
        262_144, values.count, "bytes of a body kept in the audit record"
    )
    request_body_max: int = _setting(
        67_108_864, values.count, "bytes of a request body that is read to decide on it"
    )
    log_level: str = _setting(
        "info", values.one_of("debug", "info", "warning", "error"), "least severe"
    )
    log_format: str = _setting("text", values.one_of("text", "json"), "shape of a log line")
    metrics_key: str = _setting(
        "", str, "key that /metrics asks for; empty = this machine alone may read it", secret=True
    )
    jaeger_url: str = _setting("", str, "base URL of Jaeger's UI, for links")
    # `OTEL_*` as they are, which `otlp.read` reads: not ours to name. One of them is a secret.
    otel: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def listens_on_loopback(self) -> bool:
        return ipaddress.ip_address(self.bind).is_loopback

    @property
    def registration_mode(self) -> str:
        """`open` only while nobody else can reach us, unless it is asked for by name."""
        return self.registration or ("open" if self.listens_on_loopback else "enroll")

    @property
    def reachable_host(self) -> str:
        """The address to call ourselves by, on this machine."""
        unspecified = ipaddress.ip_address(self.bind).is_unspecified
        host = "127.0.0.1" if unspecified else self.bind
        return f"[{host}]" if ":" in host else host

    @property
    def proxy_url(self) -> str:
        return f"http://{self.reachable_host}:{self.proxy_port}"

    @property
    def control_url(self) -> str:
        return f"http://{self.reachable_host}:{self.control_port}"

    @property
    def ui_url(self) -> str:
        return f"http://{self.reachable_host}:{self.ui_port}"


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings, and for each name where its value came from."""

    settings: Settings
    origin: Mapping[str, str]


_OWN = {f.name: f for f in fields(Settings) if "parse" in f.metadata}


def names() -> Mapping[str, str]:
    """Every setting's name and what it is about."""
    return {name: f.metadata["about"] for name, f in _OWN.items()}


def is_secret(name: str) -> bool:
    """Whether the setting's value is neither shown nor taken from the command line."""
    return bool(_OWN[name].metadata["secret"])


def shown(settings: Settings) -> Mapping[str, str]:
    """The values as text, secrets hidden."""
    out: dict[str, str] = {}
    for name in _OWN:
        value = getattr(settings, name)
        out[name] = "(set)" if is_secret(name) and value else _text(value)
    return out


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        return ",".join(f"{name}={one}" for name, one in value.items())
    return "" if value is None else str(value)


def load(env: Mapping[str, str], flags: Mapping[str, str | None] | None = None) -> Loaded:
    """Read flags, environment and `amaze.toml`. Raises SettingsError."""
    given: dict[str, tuple[str, str]] = {}  # name -> (text, where it came from)
    for name in _OWN:
        flag = (flags or {}).get(name)
        if flag is not None:
            given[name] = (flag, f"--{name.replace('_', '-')}")
        elif f"AMAZE_{name.upper()}" in env:
            given[name] = (env[f"AMAZE_{name.upper()}"], f"AMAZE_{name.upper()}")
    directory = _parse("data_dir", *given.get("data_dir", ("~/.amaze", "default")))
    for name, text in _file(directory / "amaze.toml").items():
        given.setdefault(name, (text, "amaze.toml"))
    parsed: dict[str, Any] = {name: _parse(name, *pair) for name, pair in given.items()}
    parsed["data_dir"] = directory
    parsed["otel"] = {name: text for name, text in env.items() if name.startswith("OTEL_")}
    origin = {name: given[name][1] if name in given else "default" for name in _OWN}
    return Loaded(Settings(**parsed), origin)


def _parse(name: str, text: str, where: str) -> Any:
    try:
        return _OWN[name].metadata["parse"](text)
    except ValueError as error:
        raise SettingsError(f"{where}: {text!r} is not a value of {name}: {error}") from None


def _file(path: Path) -> Mapping[str, str]:
    try:
        with path.open("rb") as file:
            content = tomllib.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from None
    unknown = sorted(set(content) - set(_OWN))
    if unknown:
        raise SettingsError(f"{path}: unknown setting {unknown[0]!r}; `amaze config` lists them")
    return {name: str(value) for name, value in content.items()}
