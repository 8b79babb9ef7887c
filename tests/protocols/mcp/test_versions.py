import pytest

from amaze_proxy.protocols.mcp import VERSIONS, batches_allowed, is_stateless


@pytest.mark.parametrize("version", ["", *VERSIONS])
def test_only_one_revision_has_batches(version):
    assert batches_allowed(version) is (version in ("", "2025-03-26"))


@pytest.mark.parametrize("version", ["", *VERSIONS])
def test_only_the_newest_is_stateless(version):
    assert is_stateless(version) is (version == "2026-07-28")
