"""The installation's own certificate authority: its files, and the leaf certificates it signs.

Profile (what Python 3.13, Node, Go, Java and curl verify): v3, EC P-256, SHA-256; the CA with
critical basicConstraints (path length 0), critical keyUsage and SKI; leaves with a SAN, AKI, EKU
serverAuth, back-dated against skewed clocks (RFC 5280 §4.2).
"""

from __future__ import annotations

import datetime
import ipaddress
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from amaze_proxy.wire.ca_files import CaError, CaFiles, locked

CA_LIFETIME = datetime.timedelta(days=3 * 365)
LEAF_LIFETIME = datetime.timedelta(days=4)
BACKDATED = datetime.timedelta(days=1)
_MAX_COMMON_NAME = 64

_UNUSED = dict.fromkeys(
    (
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "encipher_only",
        "decipher_only",
    ),
    False,
)
_CA_USAGE = x509.KeyUsage(digital_signature=False, key_cert_sign=True, crl_sign=True, **_UNUSED)
_LEAF_USAGE = x509.KeyUsage(digital_signature=True, key_cert_sign=False, crl_sign=False, **_UNUSED)


@dataclass(frozen=True, slots=True)
class CertificateAuthority:
    """The CA in memory. `leaf_key` is the one key that all leaves of this process share."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    leaf_key: ec.EllipticCurvePrivateKey

    @property
    def certificate_pem(self) -> bytes:
        """What clients have to trust."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, hex pairs with colons, as `openssl x509` prints it."""
        return self.certificate.fingerprint(hashes.SHA256()).hex(":").upper()

    def leaf(self, host: str) -> tuple[bytes, bytes]:
        """(certificate chain, private key) as PEM for `host`: a DNS name or an IP literal."""
        now = _now()
        named = len(host) <= _MAX_COMMON_NAME
        subject = [x509.NameAttribute(NameOID.COMMON_NAME, host)] if named else []
        public = self.leaf_key.public_key()
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name(subject))
            .issuer_name(self.certificate.subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - BACKDATED)
            .not_valid_after(min(now + LEAF_LIFETIME, self.certificate.not_valid_after_utc))
            # RFC 5280 §4.1.2.6: with an empty subject the SAN is critical.
            .add_extension(x509.SubjectAlternativeName([_general_name(host)]), critical=not named)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_LEAF_USAGE, critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(_authority_key_identifier(self.certificate), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM), _key_pem(self.leaf_key)


def load_or_create_ca(directory: Path) -> CertificateAuthority:
    """The CA in `directory` (`ca.pem`, `ca.key`), made on the first call; safe to call at once
    from many processes. Raises CaError, which says the fix."""
    files = CaFiles(directory)
    with locked(directory):
        key_pem = files.read_key()
        certificate_pem = files.read_certificate()
        if key_pem is None:
            if certificate_pem is not None:
                raise CaError(
                    f"{files.certificate} is there, but its key {files.key} is not: restore the "
                    f"key, or remove {files.certificate} to have a new CA made (clients must then "
                    "trust the new one)"
                )
            key = ec.generate_private_key(ec.SECP256R1())
            files.write_key(_key_pem(key))
        else:
            key = _load_key(key_pem, files)
        if certificate_pem is None:
            # Also after a crash between the two files: the key has signed nothing yet.
            certificate = _self_signed(key)
            files.write_certificate(certificate.public_bytes(serialization.Encoding.PEM))
        else:
            certificate = _load_certificate(certificate_pem, files)
    _check(certificate, key, files)
    return CertificateAuthority(certificate, key, ec.generate_private_key(ec.SECP256R1()))


def _self_signed(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    now = _now()
    # The suffix keeps two installations apart in one trust store.
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "aMaze Control Plane"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"aMaze proxy CA {secrets.token_hex(4)}"),
        ]
    )
    subject_key = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + CA_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_CA_USAGE, critical=True)
        .add_extension(subject_key, critical=False)
        .sign(key, hashes.SHA256())
    )


def _load_key(pem: bytes, files: CaFiles) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        raise CaError(f"{files.key} is not an unencrypted PEM private key: restore it") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise CaError(f"{files.key} is not an elliptic-curve key: use a P-256 key")
    return key


def _load_certificate(pem: bytes, files: CaFiles) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError:
        raise CaError(f"{files.certificate} is not a PEM certificate: restore it") from None


def _check(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey, files: CaFiles) -> None:
    if certificate.public_key() != key.public_key():
        raise CaError(
            f"{files.certificate} does not belong to {files.key}: restore the pair, or remove both "
            "to have a new CA made"
        )
    try:
        basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except (x509.ExtensionNotFound, ValueError):
        basic = None
    if basic is None or not basic.ca:
        raise CaError(f"{files.certificate} is not a CA certificate with a subject key identifier")
    if certificate.not_valid_after_utc <= _now():
        raise CaError(
            f"{files.certificate} has expired: remove it and {files.key} to have a new CA made, "
            "then let the clients trust the new one"
        )


def _authority_key_identifier(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier.value)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
