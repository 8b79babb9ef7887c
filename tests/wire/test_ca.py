from __future__ import annotations

import datetime
import ipaddress
import multiprocessing
import os
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from amaze_proxy.wire import ca as ca_module
from amaze_proxy.wire.ca import CertificateAuthority, load_or_create_ca
from amaze_proxy.wire.ca_files import CaError


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_is_made_once(tmp_path: Path) -> None:
    first = load_or_create_ca(tmp_path / "new" / "ca")
    again = load_or_create_ca(tmp_path / "new" / "ca")
    assert first.fingerprint == again.fingerprint
    assert len(first.fingerprint) == 95
    assert mode(tmp_path / "new" / "ca" / "ca.key") == 0o600
    assert mode(tmp_path / "new" / "ca") == 0o700
    assert (tmp_path / "new" / "ca" / "ca.pem").read_bytes() == first.certificate_pem


def test_two_installations_differ(tmp_path: Path) -> None:
    one, two = load_or_create_ca(tmp_path / "1"), load_or_create_ca(tmp_path / "2")
    assert one.certificate.subject != two.certificate.subject


def _fingerprint(directory: Path, out: multiprocessing.SimpleQueue[str]) -> None:
    out.put(load_or_create_ca(directory).fingerprint)


def test_concurrent_starts_agree(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    out: multiprocessing.SimpleQueue[str] = context.SimpleQueue()
    starts = [context.Process(target=_fingerprint, args=(tmp_path, out)) for _ in range(3)]
    for start in starts:
        start.start()
    for start in starts:
        start.join()
        start.close()
    assert len({out.get() for _ in starts}) == 1
    out.close()


def test_an_open_key_is_closed(tmp_path: Path) -> None:
    load_or_create_ca(tmp_path)
    (tmp_path / "ca.key").chmod(0o644)
    load_or_create_ca(tmp_path)
    assert mode(tmp_path / "ca.key") == 0o600


def test_a_crash_between_the_files_is_mended(tmp_path: Path) -> None:
    load_or_create_ca(tmp_path)
    (tmp_path / "ca.pem").unlink()
    key = (tmp_path / "ca.key").read_bytes()
    load_or_create_ca(tmp_path)
    assert (tmp_path / "ca.key").read_bytes() == key


def _lost_key(directory: Path) -> None:
    (directory / "ca.key").unlink()


def _garbled_key(directory: Path) -> None:
    (directory / "ca.key").write_text("garbage")


def _garbled_certificate(directory: Path) -> None:
    (directory / "ca.pem").write_text("garbage")


def _rsa_key(directory: Path) -> None:
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (directory / "ca.key").write_bytes(pem)


def _other_pair(directory: Path) -> None:
    load_or_create_ca(directory / "other")
    (directory / "other" / "ca.pem").replace(directory / "ca.pem")


def _key_is_a_directory(directory: Path) -> None:
    (directory / "ca.key").unlink()
    (directory / "ca.key").mkdir()


def _leaf_as_ca(directory: Path) -> None:
    ca = load_or_create_ca(directory)
    signed_by_itself = CertificateAuthority(ca.certificate, ca.key, ca.key)
    (directory / "ca.pem").write_bytes(signed_by_itself.leaf("a.example")[0])


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_lost_key, "restore the key, or remove"),
        (_garbled_key, "PEM private key"),
        (_garbled_certificate, "PEM certificate"),
        (_rsa_key, "P-256"),
        (_other_pair, "does not belong to"),
        (_key_is_a_directory, "cannot read"),
        (_leaf_as_ca, "not a CA certificate"),
    ],
)
def test_what_is_wrong_is_said_with_the_fix(tmp_path: Path, damage: object, words: str) -> None:
    load_or_create_ca(tmp_path)
    assert callable(damage)
    damage(tmp_path)
    with pytest.raises(CaError, match=words) as caught:
        load_or_create_ca(tmp_path)
    assert "\n" not in str(caught.value)


def test_an_expired_ca_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ca_module, "CA_LIFETIME", datetime.timedelta(seconds=-1))
    with pytest.raises(CaError, match="expired"):
        load_or_create_ca(tmp_path)


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CaError, match="cannot use"):
        load_or_create_ca(tmp_path / "file")


def test_the_leaf_profile(ca: CertificateAuthority) -> None:
    leaf = x509.load_pem_x509_certificate(ca.leaf("api.example")[0])
    now = datetime.datetime.now(datetime.UTC)
    assert leaf.version is x509.Version.v3
    assert leaf.not_valid_before_utc < now - datetime.timedelta(hours=23)
    assert leaf.not_valid_after_utc < now + datetime.timedelta(days=7)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.value.get_values_for_type(x509.DNSName) == ["api.example"]
    authority = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    subject = ca.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert authority.key_identifier == subject.digest
    basic = ca.certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert basic.critical
    assert basic.value.path_length == 0


def test_ip_leaves_and_long_names(ca: CertificateAuthority) -> None:
    leaf = x509.load_pem_x509_certificate(ca.leaf("::1")[0])
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.value.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address("::1")]
    long = x509.load_pem_x509_certificate(ca.leaf("a" * 60 + ".example.org")[0])
    assert not list(long.subject)
    assert long.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical


def test_openssl_agrees(ca: CertificateAuthority, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(ca.certificate_pem)
    (tmp_path / "leaf.pem").write_bytes(ca.leaf("api.example")[0])
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SSL_CERT")}
    done = subprocess.run(
        ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname",
         "api.example", "-CAfile", "ca.pem", "leaf.pem"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "leaf.pem: OK\n", done.stderr
