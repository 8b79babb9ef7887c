"""A fresh world for each test of the line."""

from __future__ import annotations

import pytest

from tests.pipeline.fakes import World


@pytest.fixture
def world() -> World:
    """AGENT is known and approved, and its policy is open."""
    return World()
