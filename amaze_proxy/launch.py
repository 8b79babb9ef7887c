"""What `amaze run -- CMD` gives its child: identity, proxy and trust, for every language.

The environment is advice: a program that ignores it reaches the network unless egress rules hold
it. Known to ignore it: Node before 22 and the `ws` package, bare urllib3 and `http.client`,
websockets before 15.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

import certifi
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding
from cryptography.hazmat.primitives.serialization.pkcs12 import (
    PKCS12Certificate,
    serialize_java_truststore,
)
from cryptography.utils import CryptographyDeprecationWarning

from amaze_proxy.settings import is_secret, names

# Both spellings: curl reads http_proxy in lower case alone, gRPC lower case alone.
_PROXY = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
_GRPC_PROXY = "grpc_proxy"
_BUNDLE = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "AWS_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "PIP_CERT",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
)
_NO_PROXY = ("NO_PROXY", "no_proxy")
# Other roots, other proxies and other exceptions than ours; some clients prefer them.
_CONFLICTING = (
    "SSL_CERT_DIR",
    "NIX_SSL_CERT_FILE",
    "HTTPLIB2_CA_CERTS",
    "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE",
    "GIT_SSL_CAPATH",
    "FTP_PROXY",
    "ftp_proxy",
    "SOCKS_PROXY",
    "socks_proxy",
    "WS_PROXY",
    "ws_proxy",
    "WSS_PROXY",
    "wss_proxy",
    "no_grpc_proxy",
    "NPM_CONFIG_PROXY",
    "npm_config_proxy",
    "NPM_CONFIG_HTTPS_PROXY",
    "npm_config_https_proxy",
    "NPM_CONFIG_NOPROXY",
    "npm_config_noproxy",
)
# The operator's: an agent that inherits them could administer the platform, or be someone else.
_PRIVILEGED = (
    *(f"AMAZE_{name.upper()}" for name in names() if is_secret(name)),
    "AMAZE_DATA_DIR",
    "AMAZE_CREDENTIAL",
    "AMAZE_PROXY_URL",
)
# Not a secret: a truststore holds public certificates, and Java wants some password.
_TRUSTSTORE_PASSWORD = "changeit"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Trust:
    """The proxy's CA alone, the bundle of it and the usual roots, and the same for Java."""

    ca: Path
    bundle: Path
    truststore: Path


def child_environment(
    base: Mapping[str, str],
    *,
    proxy_url: str,
    agent_id: str,
    credential: str,
    ca_pem: Path,
    bundle: Path,
    truststore: Path | None,
) -> dict[str, str]:
    """The environment in which `base`'s programs use the proxy as `agent_id`.

    `proxy_url`: `http://host:port` without userinfo; ValueError otherwise. Loopback is not
    excepted: a call to a local model or MCP server is governed like any other.

    Java reads no proxy variables; its options go through JAVA_TOOL_OPTIONS, which the JVM prints
    on start, so there is no credential in them. They would be of no use either: Java's clients
    know no userinfo, and `-Dhttp.proxyUser` has no effect. Java code must set an `Authenticator`
    for the proxy (Basic in tunnels is switched on here), or it is refused with 407.
    """
    address = _Address.parse(proxy_url)
    url = f"{address.scheme}://{agent_id}:{credential}@{address.authority}"
    removed = {*_CONFLICTING, *_PRIVILEGED}
    environment = {name: value for name, value in base.items() if name not in removed}
    environment |= dict.fromkeys((*_PROXY, _GRPC_PROXY), url)
    environment |= dict.fromkeys(_NO_PROXY, "")
    environment |= dict.fromkeys(_BUNDLE, str(bundle))
    environment |= {
        "AMAZE_AGENT_ID": agent_id,
        # Additive in Node and Deno: the CA alone.
        "NODE_EXTRA_CA_CERTS": str(ca_pem),
        "DENO_CERT": str(ca_pem),
        "NODE_USE_ENV_PROXY": "1",
        # libcurl's git otherwise waits for a 407 before it sends credentials.
        "GIT_HTTP_PROXY_AUTHMETHOD": "basic",
        # litellm fetches its price list while it is imported, which a policy rarely allows.
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "JAVA_TOOL_OPTIONS": _java_options(base.get("JAVA_TOOL_OPTIONS"), address, truststore),
    }
    return environment


@dataclass(frozen=True, slots=True)
class _Address:
    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, url: str) -> _Address:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise ValueError("the proxy URL must be http://host:port, without credentials")
        return cls(parts.scheme, parts.hostname, parts.port or 8080)

    @property
    def authority(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _java_options(inherited: str | None, proxy: _Address, truststore: Path | None) -> str:
    """The user's own options, then ours: of two -D of one name, Java takes the last."""
    options = [
        f"-Dhttp.proxyHost={proxy.host}",
        f"-Dhttp.proxyPort={proxy.port}",
        f"-Dhttps.proxyHost={proxy.host}",
        f"-Dhttps.proxyPort={proxy.port}",
        "-Dhttp.nonProxyHosts=",  # unset, it would mean localhost
        "-Djdk.http.auth.tunneling.disabledSchemes=",
    ]
    if truststore is not None:
        options += [
            shlex.quote(f"-Djavax.net.ssl.trustStore={truststore}"),
            "-Djavax.net.ssl.trustStoreType=PKCS12",
            f"-Djavax.net.ssl.trustStorePassword={_TRUSTSTORE_PASSWORD}",
        ]
    return " ".join([inherited, *options] if inherited else options)


def write_trust(directory: Path, ca_pem_bytes: bytes, roots: Path | None) -> Trust:
    """Write CA, bundle and truststore into `directory` (made 0700), each in one step (0644).

    SSL_CERT_FILE and its like replace a program's roots, so the bundle has the usual ones too:
    those in `roots`, a PEM file; None: certifi's. Raises ValueError if `ca_pem_bytes` holds no
    certificate, OSError if a file cannot be read or written.
    """
    ours = x509.load_pem_x509_certificates(ca_pem_bytes)
    usual = (roots or Path(certifi.where())).read_bytes()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    trust = Trust(directory / "ca.pem", directory / "bundle.pem", directory / "truststore.p12")
    ca = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in ours)
    _write(trust.ca, ca)
    _write(trust.bundle, ca + usual)
    _write(trust.truststore, _java_truststore([*ours, *_readable(usual)]))
    return trust


def _java_truststore(certificates: Sequence[x509.Certificate]) -> bytes:
    """PKCS #12 with the trustedKeyUsage attribute, without which Java trusts nothing in it."""
    distinct = dict.fromkeys(certificates)
    entries = [
        PKCS12Certificate(certificate, f"amaze-{number}".encode())
        for number, certificate in enumerate(distinct)
    ]
    return serialize_java_truststore(
        entries, BestAvailableEncryption(_TRUSTSTORE_PASSWORD.encode())
    )


def _readable(pem: bytes) -> Iterator[x509.Certificate]:
    """The certificates that parse: public bundles have had some that strict parsers refuse."""
    end = b"-----END CERTIFICATE-----"
    for block in pem.split(end)[:-1]:
        _, begin, body = block.partition(b"-----BEGIN CERTIFICATE-----")
        certificate = _parsed(begin + body + end + b"\n")
        if certificate is not None:
            yield certificate


def _parsed(pem: bytes) -> x509.Certificate | None:
    """None: unreadable, which is a root less for Java, never one too many."""
    with warnings.catch_warnings():
        # Some roots in use have the serial number zero, against RFC 5280 §4.1.2.2.
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        try:
            return x509.load_pem_x509_certificate(pem)
        except ValueError:
            return None


def _write(path: Path, content: bytes) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), 0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def exec_child(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Run `argv` with `env` and wait for it; SIGINT and SIGTERM are its to handle.

    Returns its exit code, 128 + n if signal n ended it. Raises OSError if it cannot be started.
    The child is found in `env`'s PATH. Call it from the main thread.
    """
    with _forwarded() as forward_to:
        # Started with the handlers in place, so that no signal in between is lost.
        child = subprocess.Popen(list(argv), env=dict(env))  # noqa: S603
        forward_to(child)
        code = child.wait()
    return 128 - code if code < 0 else code


@contextmanager
def _forwarded() -> Iterator[Callable[[subprocess.Popen[bytes]], None]]:
    """Pass SIGINT and SIGTERM on to a child; those that come before it exists, when it does."""
    children: list[subprocess.Popen[bytes]] = []
    early: list[int] = []

    def handle(number: int, _: FrameType | None) -> None:
        if number == signal.SIGINT and _terminal_delivers():
            return
        for child in children:
            child.send_signal(number)
        if not children:
            early.append(number)

    def forward_to(child: subprocess.Popen[bytes]) -> None:
        children.append(child)
        for number in early:
            child.send_signal(number)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield forward_to
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)


def _terminal_delivers() -> bool:
    """Whether Ctrl-C reaches the child anyway: a second SIGINT would disturb its clean-up."""
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False
