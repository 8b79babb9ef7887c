from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amaze_proxy.control.errors import KeyInvalid
from amaze_proxy.control.keys import ensure_admin_key, new_credential, owner_of, role_of, sha256
from amaze_proxy.history.bundle import open_history
from amaze_proxy.policy.ids import AGENT_ID


@pytest.fixture
async def empty(tmp_path):
    opened = await open_history(f"sqlite:///{tmp_path}/keys.db")
    yield opened
    await opened.close()


async def test_the_admin_key_is_made_once_and_only_its_hash_is_kept(empty, tmp_path) -> None:
    key = await ensure_admin_key(empty, None)
    assert re.fullmatch(r"amk_[A-Za-z0-9_-]{43}", key)
    assert await ensure_admin_key(empty, None) is None
    assert await role_of(empty, key) == "admin"
    assert await role_of(empty, key + "x") is None
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert key.encode() not in kept
    assert sha256(key).encode() in kept


async def test_a_preset_key_is_the_only_one(empty) -> None:
    made = await ensure_admin_key(empty, None)
    assert await ensure_admin_key(empty, "preset-by-the-operator") is None
    assert await role_of(empty, "preset-by-the-operator") == "admin"
    assert await role_of(empty, made) is None
    assert await ensure_admin_key(empty, None) is None


@pytest.mark.parametrize("preset", ["", "short", "with space inside", "käse-käse-käse"])
async def test_a_preset_that_no_header_carries_is_refused(empty, preset) -> None:
    with pytest.raises(KeyInvalid, match="AMAZE_ADMIN_KEY") as raised:
        await ensure_admin_key(empty, preset)
    assert not preset or preset not in str(raised.value)


@given(st.from_regex(AGENT_ID, fullmatch=True))
def test_a_credential_names_its_agent_and_hides_in_logs(agent_id) -> None:
    credential = new_credential(agent_id)
    assert owner_of(credential.text) == agent_id
    assert re.fullmatch(r"amz_[A-Za-z0-9._~-]+", credential.text)
    assert credential.text not in repr(credential)
    assert credential.sha256 == sha256(credential.text)


@given(st.text(max_size=60))
def test_other_text_is_no_credential(text) -> None:
    assert owner_of(text) is None


@pytest.mark.parametrize(
    "text", ["amz_A.0123456789abcdef0", "amz_a.short", "amz_.0123456789abcdef"]
)
def test_what_looks_like_a_credential_is_none(text) -> None:
    assert owner_of(text) is None
