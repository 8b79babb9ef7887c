from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme
from amaze import EnforcementError
from amaze.settings import Origin
from amaze.testing import FakePlatform
from amaze.trust import fetch_ca, write_trust


def origin(url: str) -> Origin:
    return Origin("http", "127.0.0.1", int(url.rpartition(":")[2]))


def subjects(path: Path) -> set[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cafile=str(path))
    return {str(certificate["serialNumber"]) for certificate in context.get_ca_certs()}


def test_the_bundle_adds_our_ca_to_the_roots_in_force(tmp_path: Path) -> None:
    company, ours = trustme.CA(), trustme.CA()
    roots = tmp_path / "company.pem"
    roots.write_bytes(company.cert_pem.bytes())
    trust = write_trust(tmp_path, "one", ours.cert_pem.bytes(), {"SSL_CERT_FILE": str(roots)})
    alone = subjects(trust.ca)
    assert len(alone) == 1
    assert alone < subjects(trust.bundle)
    assert subjects(roots) <= subjects(trust.bundle)
    assert trust.bundle.read_bytes().startswith(ours.cert_pem.bytes().strip())


def test_hashed_directories_count_as_roots(tmp_path: Path) -> None:
    company, ours = trustme.CA(), trustme.CA()
    directory = tmp_path / "roots"
    directory.mkdir()
    (directory / "0a1b2c3d.0").write_bytes(company.cert_pem.bytes())
    trust = write_trust(tmp_path, "one", ours.cert_pem.bytes(), {"SSL_CERT_DIR": str(directory)})
    assert company.cert_pem.bytes().strip() in trust.bundle.read_bytes()


def test_a_narrowed_trust_is_not_widened(tmp_path: Path) -> None:
    company, ours = trustme.CA(), trustme.CA()
    roots = tmp_path / "company.pem"
    roots.write_bytes(company.cert_pem.bytes())
    trust = write_trust(tmp_path, "one", ours.cert_pem.bytes(), {"SSL_CERT_FILE": str(roots)})
    assert subjects(trust.bundle) == subjects(roots) | subjects(trust.ca)


def test_without_a_named_root_those_of_the_system_stay(tmp_path: Path) -> None:
    trust = write_trust(tmp_path, "one", trustme.CA().cert_pem.bytes(), {})
    assert len(subjects(trust.bundle)) > 50


def test_unreadable_roots_are_left_out(tmp_path: Path) -> None:
    ours = trustme.CA()
    environ = {"SSL_CERT_FILE": str(tmp_path / "missing.pem")}
    trust = write_trust(tmp_path, "one", ours.cert_pem.bytes(), environ)
    assert ours.cert_pem.bytes().strip() in trust.bundle.read_bytes()


def test_a_root_is_listed_once(tmp_path: Path) -> None:
    ours = trustme.CA()
    first = write_trust(tmp_path, "one", ours.cert_pem.bytes(), {})
    again = write_trust(
        tmp_path, "two", ours.cert_pem.bytes(), {"SSL_CERT_FILE": str(first.bundle)}
    )
    assert again.bundle.read_bytes().count(ours.cert_pem.bytes().strip()) == 1


@pytest.mark.parametrize(
    "content", [b"", b"<html>", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_no_certificate_no_agent(content: bytes) -> None:
    with (
        FakePlatform(ca_pem=content) as platform,
        pytest.raises(EnforcementError, match="no certificate"),
    ):
        fetch_ca(origin(platform.orchestrator_url))


def test_no_answer_no_agent() -> None:
    with FakePlatform() as platform:
        gone = origin(platform.orchestrator_url)
    with pytest.raises(EnforcementError, match="CA cannot be had"):
        fetch_ca(gone)
