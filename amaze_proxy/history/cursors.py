"""The text of a cursor: opaque to who pages, and read back strictly."""

from __future__ import annotations

import base64
import re


def wrapped(place: str) -> str:
    """A place as it is given out, for a URL."""
    return base64.urlsafe_b64encode(place.encode("utf-8", "replace")).decode().rstrip("=")


def unwrapped(text: str, form: re.Pattern[str], most: int) -> re.Match[str] | None:
    """The place in a text of at most `most` characters; None: it was not given out by us."""
    if len(text) > most:
        return None
    try:
        place = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True).decode()
    except ValueError:  # no base64, or no UTF-8
        return None
    return form.fullmatch(place)
