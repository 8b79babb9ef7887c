import hashlib
import hmac

import pytest

from amaze_proxy.policy.signing import encode, sign, signed

KEY = b"k" * 32


def test_a_signature_is_hmac_sha256_in_base64url() -> None:
    assert sign(KEY, "text") == encode(hmac.new(KEY, b"text", hashlib.sha256).digest())
    assert signed(KEY, "text", sign(KEY, "text"))


@pytest.mark.parametrize(("key", "text"), [(b"x" * 32, "text"), (KEY, "texts")])
def test_of_another_key_or_text_it_is_none(key: bytes, text: str) -> None:
    assert not signed(key, text, sign(KEY, "text"))


@pytest.mark.parametrize("key", [b"", b"k" * 15])
def test_a_key_that_anybody_could_guess_is_refused(key: bytes) -> None:
    with pytest.raises(ValueError, match="at least 16 bytes"):
        sign(key, "text")
    with pytest.raises(ValueError, match="at least 16 bytes"):
        signed(key, "text", "x" * 43)


def test_encode() -> None:
    assert encode(b"\xff\xfe\xfd\xfc") == "__79_A"
