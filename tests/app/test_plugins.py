"""The change of the client's source that makes its addresses relative."""

from __future__ import annotations

from pathlib import Path

import pytest
import reflex_base

from amaze_app.plugins import relative


def test_the_client_of_this_version_is_known_and_changed_once() -> None:
    source = Path(reflex_base.__file__).parent / ".templates" / "web" / "utils" / "state.js"
    changed = relative(source.read_text())
    assert "window.location.host + endpoint.pathname" in changed
    assert relative(changed) == changed


def test_another_client_stops_the_build() -> None:
    with pytest.raises(RuntimeError, match="not known"):
        relative("export const getBackendURL = (url) => new URL(url);")
