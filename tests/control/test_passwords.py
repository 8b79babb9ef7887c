from __future__ import annotations

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import VerifyMismatchError

from amaze_proxy.control import passwords
from amaze_proxy.control.errors import PasswordInvalid
from amaze_proxy.control.passwords import LONGEST, SHORTEST, Passwords, checked, generated, stale

PASSWORD = "correct horse battery"


@pytest.fixture
def price() -> None:
    """The real one."""


async def test_a_hash_is_argon2id_and_matches_its_password_alone() -> None:
    guard = Passwords()
    encoded = await guard.hash(PASSWORD)
    assert encoded.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert await guard.matches(encoded, PASSWORD)
    assert not await guard.matches(encoded, PASSWORD + "x")
    assert not stale(encoded)
    assert stale(PasswordHasher(1, 8, 1).hash(PASSWORD))


async def test_nobodys_password_costs_what_a_users_costs() -> None:
    assert extract_parameters(passwords._NOBODY) == extract_parameters(
        await Passwords().hash(PASSWORD)
    )
    with pytest.raises(VerifyMismatchError):  # it is read, and compared
        passwords._hasher.verify(passwords._NOBODY, PASSWORD)
    assert not await Passwords().matches(None, PASSWORD)


async def test_what_is_no_hash_matches_nothing() -> None:
    assert not await Passwords().matches("none", PASSWORD)


async def test_a_password_is_the_same_however_it_is_composed() -> None:
    guard = Passwords()
    encoded = await guard.hash("ﬁre in the caf\u00e9 now")
    assert await guard.matches(encoded, "fire in the cafe\u0301 now")


@pytest.mark.parametrize("length", [0, SHORTEST - 1, LONGEST + 1])
def test_a_password_too_short_or_too_long_is_refused(length) -> None:
    with pytest.raises(PasswordInvalid, match="12 to 256") as raised:
        checked("x" * length)
    assert "xx" not in str(raised.value)


def test_generated_ones_differ_and_are_good() -> None:
    made = {generated() for _ in range(100)}
    assert len(made) == 100
    assert all(checked(one) == one for one in made)
