"""What is wrong with bytes that claim to be of a protocol."""

from __future__ import annotations


class Malformed(ValueError):
    """The bytes are not what they claim to be; the text says why, for the caller to read."""


class TooLarge(Malformed):
    """The bytes may be right, but are more than we read (answer 413, not 400)."""
