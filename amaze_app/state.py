"""What the states of all pages share."""

from __future__ import annotations

import reflex as rx


class PageState(rx.State):
    """A page's state. A public method would be a handler that the browser can call, so what the
    server alone calls begins with an underscore."""

    notice: str = ""

    @rx.event
    def dismiss(self) -> None:
        """Takes the notice away."""
        self.notice = ""
