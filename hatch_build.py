"""Puts the built web UI into the wheel, so that whoever installs it needs no node."""

from __future__ import annotations

import sys
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Frontend(BuildHookInterface):  # type: ignore[type-arg]
    """A wheel without a UI, or with one of other sources, would fail at `amaze up`: there is none.

    Needs the runtime's packages beside it: `pip wheel --no-build-isolation .`
    """

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":  # a checkout serves what `make ui` builds
            return
        sys.path.insert(0, self.root)
        from amaze_app import places

        if not places.fresh():
            raise RuntimeError("the web UI is not of these sources: python -m amaze_app.build")
        included = build_data["force_include"]
        included[str(places.BUILT)] = "amaze_app/frontend/ui"
        included[str(places.ROOT / "rxconfig.py")] = "amaze_app/frontend/rxconfig.py"
