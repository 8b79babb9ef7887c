"""Where spans are sent: the `OTEL_*` variables, whose names and meaning are OpenTelemetry's own
(https://opentelemetry.io/docs/specs/otel/protocol/exporter/).

A variable of traces alone goes before the one of all signals; an empty one is as if it was absent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from amaze_proxy.settings import SettingsError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

_GENERAL = "OTEL_EXPORTER_OTLP_"
_TRACES = "OTEL_EXPORTER_OTLP_TRACES_"
_PATH = "v1/traces"
_DEFAULT_TIMEOUT_MS = 10_000
_LONGEST_TIMEOUT_MS = 60_000
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2: a token
_VALUE = re.compile(r"[\x20-\x7e]*")


class Protocol(StrEnum):
    """How spans are sent."""

    GRPC = "grpc"
    HTTP = "http/protobuf"


@dataclass(frozen=True, slots=True)
class Otlp:
    """A collector. `timeout_s` for one batch, tries included. `certificate` is a file of CAs,
    `client_certificate` and `client_key` are ours; None: not given."""

    url: str
    protocol: Protocol = Protocol.HTTP
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout_s: float = _DEFAULT_TIMEOUT_MS / 1000
    certificate: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None

    @property
    def place(self) -> str:
        """Host and port, for messages."""
        return urlsplit(self.url).netloc


def read(env: Mapping[str, str]) -> Otlp | None:
    """The collector that the variables name; None: none, or traces are switched off.

    Raises SettingsError, which names the variable and no secret.
    """
    off = env.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if off or env.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none":
        return None
    name, url = _given(env, "ENDPOINT")
    if not url:
        return None
    protocol = _protocol(*_given(env, "PROTOCOL"))
    url = _endpoint(name, url)
    if protocol is Protocol.HTTP and name != f"{_TRACES}ENDPOINT":
        url = f"{url.rstrip('/')}/{_PATH}"
    certificate, key = _file(env, "CLIENT_CERTIFICATE"), _file(env, "CLIENT_KEY")
    if (certificate is None) != (key is None):
        raise SettingsError(
            f"{_GENERAL}CLIENT_CERTIFICATE and {_GENERAL}CLIENT_KEY belong together: one is missing"
        )
    return Otlp(
        url,
        protocol,
        _headers(*_given(env, "HEADERS")),
        _timeout(*_given(env, "TIMEOUT")),
        _file(env, "CERTIFICATE"),
        certificate,
        key,
    )


def shown(env: Mapping[str, str]) -> Mapping[str, str]:
    """The variables that are set and that say where spans go, secrets hidden."""
    found: dict[str, str] = {}
    for name, value in sorted(env.items()):
        if name.startswith(_GENERAL) and value:
            hidden = name.endswith("HEADERS") or "@" in value
            found[name] = "(set)" if hidden else value
    return found


def _given(env: Mapping[str, str], what: str) -> tuple[str, str]:
    """The variable that counts, and its value."""
    for name in (f"{_TRACES}{what}", f"{_GENERAL}{what}"):
        if value := env.get(name, "").strip():
            return name, value
    return f"{_GENERAL}{what}", ""


def _endpoint(name: str, url: str) -> str:
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        known = False
    if not known or not _VALUE.fullmatch(url) or " " in url:
        raise SettingsError(f"{name}: not a URL such as http://collector:4318")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise SettingsError(
            f"{name}: a URL without user, query and fragment; credentials go into {_GENERAL}HEADERS"
        )
    return url


def _protocol(name: str, text: str) -> Protocol:
    try:
        return Protocol(text or Protocol.HTTP)
    except ValueError:
        allowed = ", ".join(Protocol)
        raise SettingsError(f"{name}: {text!r} is not spoken here; one of {allowed}") from None


def _timeout(name: str, text: str) -> float:
    number = int(text) if re.fullmatch(r"[0-9]{1,9}", text) else 0 if text else _DEFAULT_TIMEOUT_MS
    if not 0 < number <= _LONGEST_TIMEOUT_MS:
        raise SettingsError(f"{name}: {text!r} is not 1 to {_LONGEST_TIMEOUT_MS} milliseconds")
    return number / 1000


def _headers(name: str, text: str) -> Mapping[str, str]:
    """`key=value,key=value`, the values percent-encoded (W3C Baggage without properties)."""
    found: dict[str, str] = {}
    for part in filter(None, (one.strip() for one in text.split(","))):
        key, equals, value = part.partition("=")
        key, value = key.strip().lower(), unquote(value.strip(), errors="replace")
        if not equals or not _HEADER.fullmatch(key) or not _VALUE.fullmatch(value):
            raise SettingsError(f"{name}: header=value, several separated by commas")
        found[key] = value
    return found


def _file(env: Mapping[str, str], what: str) -> Path | None:
    name, text = _given(env, what)
    if not text:
        return None
    path = Path(text).expanduser().absolute()
    if not path.is_file():
        raise SettingsError(f"{name}: {text!r} is not a file")
    return path


def exporter(to: Otlp) -> SpanExporter:
    """The SDK's exporter. Raises OSError for a file that cannot be read."""
    if to.protocol is Protocol.GRPC:
        return _grpc_exporter(to)
    import requests
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    session = requests.Session()
    # It would take REQUESTS_CA_BUNDLE of the environment in place of the certificate it is given.
    session.trust_env = to.certificate is None
    return OTLPSpanExporter(
        endpoint=to.url,
        session=session,
        headers=dict(to.headers),
        timeout=to.timeout_s,
        certificate_file=_text(to.certificate),
        client_certificate_file=_text(to.client_certificate),
        client_key_file=_text(to.client_key),
    )


def _grpc_exporter(to: Otlp) -> SpanExporter:
    from grpc import ssl_channel_credentials  # type: ignore[import-untyped]
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    plain = to.url.startswith("http://")
    files = (to.certificate, to.client_key, to.client_certificate)
    return OTLPSpanExporter(
        endpoint=to.url,
        insecure=plain,
        credentials=None if plain else ssl_channel_credentials(*(_bytes(one) for one in files)),
        headers=tuple(to.headers.items()),
        timeout=to.timeout_s,
    )


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _bytes(path: Path | None) -> bytes | None:
    return None if path is None else path.read_bytes()
