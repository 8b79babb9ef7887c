"""What the states of all pages share."""

from __future__ import annotations

import reflex as rx


class PageState(rx.State):
    """A page's state. A public method would be a handler that the browser can call, so what the
    server alone calls begins with an underscore."""

    notice: str = ""
    _reading_failed: bool = False

    @rx.event
    def dismiss(self) -> None:
        """Takes the notice away."""
        self.notice = ""

    def _unwell(self, text: str) -> None:
        """What the page shows could not be read; said until it can be."""
        if self.notice != text:
            self.notice = text
        self._reading_failed = True

    def _well(self) -> None:
        if self._reading_failed:
            self.notice = ""
        self._reading_failed = False
