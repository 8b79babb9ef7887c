"""Plugins of the build."""

from __future__ import annotations

from typing import Any

import reflex as rx

_FILE = "utils/state.js"
_PARSED = "const endpoint = new URL(url_str);"
_OURS = """const endpoint = new URL(url_str);
  if (typeof window !== "undefined") {
    const scheme = endpoint.protocol.startsWith("ws") ? "ws" : "http";
    const secure = window.location.protocol === "https:" ? "s:" : ":";
    return new URL(scheme + secure + "//" + window.location.host + endpoint.pathname);
  }"""


class SameOrigin(rx.plugins.Plugin):
    """The page speaks to where it came from; Reflex would build one host and port into it."""

    def pre_compile(self, **context: Any) -> None:
        """Has the client's own source changed, before it is bundled."""
        context["add_modify_task"](_FILE, relative)


def relative(source: str) -> str:
    """The source with addresses relative to the page. Raises RuntimeError if it is not what is
    known: another version of Reflex needs another look."""
    if _OURS in source:
        return source
    if source.count(_PARSED) != 1:
        raise RuntimeError(f"{_FILE} of this version of Reflex is not known to SameOrigin")
    return source.replace(_PARSED, _OURS)
