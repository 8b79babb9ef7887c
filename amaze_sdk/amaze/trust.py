"""The roots that the agent's TLS clients trust: those it trusted before, and the proxy's CA."""

from __future__ import annotations

import importlib
import importlib.util
import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from amaze import orchestrator
from amaze.errors import EnforcementError
from amaze.files import write_private
from amaze.orchestrator import Unreachable
from amaze.settings import Origin

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")

_FILES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@dataclass(frozen=True, slots=True)
class Trust:
    """Two PEM files: the proxy's CA alone, and the bundle of it and the usual roots."""

    ca: Path
    bundle: Path


def fetch_ca(origin: Origin) -> bytes:
    """The proxy's CA certificate from the control plane, as PEM. Raises `EnforcementError`."""
    try:
        answer = orchestrator.call(
            origin, "GET", "/ca.pem", headers={"Accept": "application/x-pem-file, */*"}
        )
    except Unreachable as error:
        raise EnforcementError(f"the proxy's CA cannot be had from {origin.url}: {error}") from None
    if not answer.ok:
        raise EnforcementError(
            f"the proxy's CA cannot be had from {origin.url}/ca.pem: {answer.explanation}"
        )
    certificates = _certificates(answer.body)
    if not certificates or not _parses(certificates):
        raise EnforcementError(f"{origin.url}/ca.pem holds no certificate")
    return _join(certificates)


def write_trust(directory: Path, agent_id: str, ca: bytes, environ: Mapping[str, str]) -> Trust:
    """Write both files. SSL_CERT_FILE and its like replace the roots, hence the merged bundle.

    `environ` says which roots were in force before.
    """
    trust = Trust(directory / f"{agent_id}.ca.pem", directory / f"{agent_id}.bundle.pem")
    merged = dict.fromkeys(_certificates(ca))
    for source in _root_files(environ):
        merged.update(dict.fromkeys(_read(source)))
    write_private(trust.ca, ca, mode=0o644)
    write_private(trust.bundle, _join(list(merged)), mode=0o644)
    return trust


def _root_files(environ: Mapping[str, str]) -> Iterator[Path]:
    """What was named before, if anything was: the bundle must not widen a narrowed trust."""
    named = [environ[name] for name in _FILES if environ.get(name)]
    directory = environ.get("SSL_CERT_DIR")
    if named or directory:
        yield from map(Path, named)
        yield from _hashed(directory)
        return
    defaults = ssl.get_default_verify_paths()
    yield Path(defaults.openssl_cafile)
    yield from _hashed(defaults.openssl_capath)
    if importlib.util.find_spec("certifi"):
        yield Path(importlib.import_module("certifi").where())


def _hashed(directory: str | None) -> list[Path]:
    # OpenSSL finds a root by its subject's hash: only files of such names are in use.
    return sorted(Path(directory).glob("*.[0-9]")) if directory else []


def _read(path: Path) -> list[bytes]:
    try:
        return _certificates(path.read_bytes())
    except OSError:
        return []  # a root that cannot be read is a root less, never one too many


def _certificates(pem: bytes) -> list[bytes]:
    return [match.group().replace(b"\r\n", b"\n") for match in _CERTIFICATE.finditer(pem)]


def _parses(certificates: list[bytes]) -> bool:
    try:
        ssl.create_default_context(cadata=_join(certificates).decode("ascii"))
    except (ssl.SSLError, ValueError):
        return False
    return True


def _join(certificates: list[bytes]) -> bytes:
    return b"".join(certificate + b"\n" for certificate in certificates)
