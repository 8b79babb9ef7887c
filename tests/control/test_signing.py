from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from amaze_proxy.control.signing import Signer, is_signed


def test_what_is_signed_is_signed_by_this_key_alone() -> None:
    signer, other = Signer(b"a" * 32), Signer(b"b" * 32)
    signature = signer.sign(b"data").hex()
    assert is_signed(b"data", signature, signer.public_key)
    assert not is_signed(b"date", signature, signer.public_key)
    assert not is_signed(b"data", signature, other.public_key)


@pytest.mark.parametrize(("signature", "key"), [("", ""), ("zz", "00" * 32), ("00" * 64, "é")])
def test_nonsense_is_no_signature(signature: str, key: str) -> None:
    assert not is_signed(b"data", signature, key)


def test_the_public_key_is_told_in_two_forms() -> None:
    signer = Signer(b"a" * 32)
    loaded = load_pem_public_key(signer.public_pem)
    assert loaded.public_bytes_raw().hex() == signer.public_key  # type: ignore[union-attr]
