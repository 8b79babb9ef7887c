"""The content security policy of the built pages: their inline scripts by hash, no others."""

from __future__ import annotations

import base64
import hashlib
from html.parser import HTMLParser
from pathlib import Path

FRONT = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Of the login page and whatever else is no built page."""


def of_pages(directory: Path) -> str:
    """The policy under which every HTML file below `directory` works.

    Styles may be inline: components position themselves with style attributes, which cannot be
    hashed. No script can be added with them.
    """
    hashes: set[str] = set()
    for page in directory.rglob("*.html"):
        hashes |= {_source(script) for script in inline_scripts(page.read_text("utf-8"))}
    scripts = " ".join(["'self'", *sorted(hashes)])
    return (
        f"default-src 'self'; script-src {scripts}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; object-src 'none'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


def inline_scripts(html: str) -> list[str]:
    """The text of each script element without `src`."""
    parser = _Scripts()
    parser.feed(html)
    parser.close()
    return parser.found


class _Scripts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "script" and "src" not in dict(attrs):
            self._inside = True
            self.found.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.found[-1] += data


def _source(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"'sha256-{digest}'"
