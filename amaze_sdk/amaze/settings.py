"""What the environment says about this agent. The only reader of `AMAZE_*` in the SDK."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from amaze.errors import ConfigurationError

AGENT_ID = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")
# axios takes userinfo literally and some tools reject "%", so a credential that needs escaping
# in a proxy URL would not identify every client of the agent.
CREDENTIAL = re.compile(r"[A-Za-z0-9._~-]{1,255}")

_DEFAULT_ORCHESTRATOR = "http://127.0.0.1:8001"
_DEFAULT_PROXY = "http://127.0.0.1:8080"
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LOOPBACK = ("localhost", "::1")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a server listens: `http://host:port`, without credentials."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """`host:port`, with brackets round an IPv6 address."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}"

    @property
    def loopback(self) -> bool:
        return self.host in _LOOPBACK or self.host.startswith("127.")

    def is_at(self, host: str, port: int) -> bool:
        """Whether a connection to `host` and `port` is one to this server."""
        return port == self.port and host.strip("[]").lower() == self.host


@dataclass(frozen=True, slots=True)
class Settings:
    """The agent's frozen settings. A host that is None: choose one the orchestrator can reach.

    `a2a_port` None: take messages of other agents only if the author wrote a function for them.
    """

    agent_id: str
    orchestrator: Origin
    proxy: Origin
    state_dir: Path
    chat_host: str | None
    chat_port: int  # 0: any free port
    a2a_host: str | None
    a2a_port: int | None
    start_timeout: float  # seconds to wait for the orchestrator
    enroll_key: str | None = field(default=None, repr=False)
    credential: str | None = field(default=None, repr=False)


def read_settings(environ: Mapping[str, str], agent_id: str | None = None) -> Settings:
    """Settings from `environ`; `agent_id` given in code wins over `AMAZE_AGENT_ID`.

    An agent started by `amaze run` finds its id and credential in the proxy URL's userinfo.
    Raises `ConfigurationError` naming the variable that is missing or wrong.
    """
    proxy_name, proxy_url = _first(
        environ, "AMAZE_PROXY_URL", "HTTP_PROXY", "http_proxy", default=_DEFAULT_PROXY
    )
    user, password = _userinfo(proxy_name, proxy_url)
    chosen_id = agent_id or environ.get("AMAZE_AGENT_ID") or user
    if not chosen_id:
        raise ConfigurationError("which agent is this? Set AMAZE_AGENT_ID, or amaze.init('my-id')")
    if not AGENT_ID.fullmatch(chosen_id):
        raise ConfigurationError(
            f"AMAZE_AGENT_ID {chosen_id!r} is no agent id: lower-case letters, digits, '.' and "
            "'-', at most 63, beginning and ending with a letter or digit"
        )
    return Settings(
        agent_id=chosen_id,
        orchestrator=_origin(
            *_first(environ, "AMAZE_ORCHESTRATOR_URL", default=_DEFAULT_ORCHESTRATOR)
        ),
        proxy=_origin(proxy_name, proxy_url),
        state_dir=Path(environ.get("AMAZE_STATE_DIR") or "~/.amaze/agents").expanduser(),
        chat_host=environ.get("AMAZE_CHAT_HOST") or None,
        chat_port=_port(environ, "AMAZE_CHAT_PORT"),
        a2a_host=environ.get("AMAZE_A2A_HOST") or None,
        a2a_port=_port(environ, "AMAZE_A2A_PORT") if environ.get("AMAZE_A2A_PORT") else None,
        start_timeout=_seconds(environ, "AMAZE_START_TIMEOUT", default=60.0),
        enroll_key=environ.get("AMAZE_ENROLL_KEY") or None,
        credential=_credential(environ, password if user == chosen_id else None),
    )


def _first(environ: Mapping[str, str], *names: str, default: str) -> tuple[str, str]:
    """The first of `names` that is set, with its value."""
    for name in names:
        if environ.get(name):
            return name, environ[name]
    return names[0], default


def _split(name: str, url: str) -> SplitResult:
    # A proxy URL may hold a credential: the messages never repeat it.
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        _ = parts.port
    except ValueError as error:
        raise ConfigurationError(f"{name} is no URL") from error
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ConfigurationError(f"{name} must be http://host:port")
    return parts


def _origin(name: str, url: str) -> Origin:
    parts = _split(name, url)
    host = parts.hostname or ""
    return Origin(parts.scheme, host, parts.port or _DEFAULT_PORTS[parts.scheme])


def _userinfo(name: str, url: str) -> tuple[str | None, str | None]:
    parts = _split(name, url)
    return (
        unquote(parts.username) if parts.username else None,
        unquote(parts.password) if parts.password else None,
    )


def _credential(environ: Mapping[str, str], inherited: str | None) -> str | None:
    credential = environ.get("AMAZE_CREDENTIAL") or inherited
    if credential and not CREDENTIAL.fullmatch(credential):
        raise ConfigurationError("AMAZE_CREDENTIAL is no credential of aMaze: amz_<id>.<secret>")
    return credential or None


def _port(environ: Mapping[str, str], name: str) -> int:
    text = environ.get(name) or "0"
    if not (text.isascii() and text.isdigit() and int(text) < 65536):
        raise ConfigurationError(f"{name} must be a port number, 0 for any free one")
    return int(text)


def _seconds(environ: Mapping[str, str], name: str, *, default: float) -> float:
    text = environ.get(name)
    if not text:
        return default
    if not re.fullmatch(r"\d{1,6}(\.\d{1,3})?", text):
        raise ConfigurationError(f"{name} must be a number of seconds")
    return float(text)
