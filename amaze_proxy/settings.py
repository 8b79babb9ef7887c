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
from urllib.parse import urlsplit


class SettingsError(Exception):
    """A setting has a bad value; the text names it, where it came from, and what is allowed."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where a host really is: `scheme`, `host` and `port` to dial instead."""

    scheme: str
    host: str
    port: int

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def _port(text: str) -> int:
    number = _count(text)
    if not 0 < number < 65536:
        raise ValueError("a port is 1 to 65535")
    return number


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise ValueError("a number that is 0 or more")
    return int(text)


def _milliseconds(text: str) -> int:
    number = _count(text)
    if not 50 <= number <= 60_000:
        raise ValueError("milliseconds, 50 to 60000")
    return number


def _one_of(*allowed: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"one of {', '.join(allowed)}")
        return text

    return parse


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError("an IP address, such as 127.0.0.1 or 0.0.0.0") from None


def _path(text: str) -> Path:
    return Path(text).expanduser().absolute()


def _networks(text: str) -> str:
    """Networks as `10.0.0.0/8, 192.0.2.1`, in one spelling."""
    try:
        found = [ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip()]
    except ValueError:
        raise ValueError("IP addresses or networks, such as 10.0.0.0/8, comma separated") from None
    return ",".join(map(str, found))


def _optional_path(text: str) -> Path | None:
    return _path(text) if text else None


def _upstreams(text: str) -> Mapping[str, Upstream]:
    """`host=url,host=url`: the real places of hosts."""
    table: dict[str, Upstream] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        host, _, url = item.partition("=")
        parts = urlsplit(url)
        if not host or parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("host=http(s)://address:port, several separated by commas")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        table[host.strip().lower().rstrip(".")] = Upstream(parts.scheme, parts.hostname, port)
    return table


def _setting(default: Any, parse: Callable[[str], Any], about: str, secret: bool = False) -> Any:
    return field(default=default, metadata={"parse": parse, "about": about, "secret": secret})


@dataclass(frozen=True, slots=True)
class Settings:
    """What is in force. Times in seconds, sizes in bytes."""

    data_dir: Path = _setting(
        Path("~/.amaze"), _path, "where keys, the embedded stores and journals live"
    )
    retention_days: int = _setting(0, _count, "days that calls stay in the archive; 0 = for ever")
    config_dir: Path | None = _setting(
        None, _optional_path, "policies.yaml and mcp_servers.yaml in it are loaded at start"
    )
    bind: str = _setting("127.0.0.1", _address, "address that every port listens on")
    proxy_port: int = _setting(8080, _port, "port of the proxy")
    control_port: int = _setting(8001, _port, "port of the control API")
    ui_port: int = _setting(5173, _port, "port of the web UI")
    trusted_proxies: str = _setting(
        "", _networks, "reverse proxies whose X-Forwarded-* headers the web UI believes"
    )
    proxy_workers: int = _setting(0, _count, "proxy processes; 0 = one per core")
    redis_url: str = _setting("", str, "Redis or Valkey; empty = embedded", secret=True)
    store_timeout_ms: int = _setting(
        250, _milliseconds, "a store that is silent for longer has calls refused"
    )
    database_url: str = _setting("", str, "SQL database; empty = SQLite here", secret=True)
    admin_key: str = _setting("", str, "presets the admin API key", secret=True)
    registration: str = _setting("", _one_of("", "open", "enroll"), "who may register an agent")
    enroll_key: str = _setting("", str, "key that registration asks for", secret=True)
    upstreams: Mapping[str, Upstream] = field(
        default_factory=dict,
        metadata={"parse": _upstreams, "about": "where a host really is", "secret": False},
    )
    upstream_ca: Path | None = _setting(None, _optional_path, "CA file trusted beside the roots")
    deny_style: str = _setting(
        "", _one_of("", "http"), "http = refusals in the plain shape for every client"
    )
    audit_body_max: int = _setting(262_144, _count, "bytes of a body kept in the audit record")
    request_body_max: int = _setting(
        67_108_864, _count, "bytes of a request body that is read to decide on it"
    )
    log_level: str = _setting("info", _one_of("debug", "info", "warning", "error"), "least severe")
    log_format: str = _setting("text", _one_of("text", "json"), "shape of a log line")
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


def shown(settings: Settings) -> Mapping[str, str]:
    """The values as text, secrets hidden."""
    out: dict[str, str] = {}
    for name, f in _OWN.items():
        value = getattr(settings, name)
        out[name] = "(set)" if f.metadata["secret"] and value else _text(value)
    return out


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        return ",".join(f"{name}={place.url}" for name, place in value.items())
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
    values: dict[str, Any] = {name: _parse(name, *pair) for name, pair in given.items()}
    values["data_dir"] = directory
    values["otel"] = {name: text for name, text in env.items() if name.startswith("OTEL_")}
    origin = {name: given[name][1] if name in given else "default" for name in _OWN}
    return Loaded(Settings(**values), origin)


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
