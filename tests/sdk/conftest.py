"""A fake platform per test, with TLS for any host, and agents in this process."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from amaze.environment import BUNDLE_VARIABLES
from amaze.testing import FakePlatform, environment


@pytest.fixture(scope="session")
def tls_ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def company_ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def tls_for(tls_ca: trustme.CA) -> Callable[[str], ssl.SSLContext]:
    contexts: dict[str, ssl.SSLContext] = {}

    def context_for(host: str) -> ssl.SSLContext:
        if host not in contexts:
            contexts[host] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls_ca.issue_cert(host).configure_cert(contexts[host])
        return contexts[host]

    return context_for


@pytest.fixture
def platform(
    tls_ca: trustme.CA, tls_for: Callable[[str], ssl.SSLContext]
) -> Iterator[FakePlatform]:
    with FakePlatform(tls_for=tls_for, ca_pem=tls_ca.cert_pem.bytes()) as platform:
        platform.answer("*", {"ok": True})
        yield platform


@pytest.fixture
def agent_environment(
    platform: FakePlatform, company_ca: trustme.CA, tmp_path: Path
) -> Iterator[dict[str, str]]:
    """The environment of this process is that of an agent `one` of the platform.

    Its usual roots are a single company CA: clients load them much faster than the public ones.
    """
    variables = platform.environment("one", AMAZE_STATE_DIR=str(tmp_path / "state"))
    roots = tmp_path / "company.pem"
    roots.write_bytes(company_ca.cert_pem.bytes())
    variables |= {name: str(roots) for name in BUNDLE_VARIABLES}
    variables.pop("SSL_CERT_DIR", None)
    with environment(variables):
        yield variables
