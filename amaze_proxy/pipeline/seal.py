"""What travels through others and must come back as it was.

Refusals, through an MCP server:

In HTTP+SSE (MCP 2024-11-05) the answer to a POST comes on a stream that another worker may hold.
So a refused request is replaced by a `ping` whose id carries the refusal, sealed: the server
answers it on that stream, and whoever holds the stream puts the refusal in its place. The server
can neither read nor make such an id.

And places, through a client: where a server says that it takes messages, so that nobody posts
anywhere else on its machine.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

from cryptography.fernet import Fernet, InvalidToken

_MARK = "amaze:"
_LIFETIME_S = 3600


class Seal:
    """Seals with a key that all workers derive from the turn key."""

    def __init__(self, turn_key: bytes) -> None:
        key = hashlib.sha256(b"amaze mcp refusal\0" + turn_key).digest()
        self._fernet = Fernet(base64.urlsafe_b64encode(key))
        self._place_key = hashlib.sha256(b"amaze mcp endpoint\0" + turn_key).digest()

    def mark(self, place: str) -> str:
        """The proof that a server gave this place: 32 hex digits."""
        return hmac.new(self._place_key, place.encode(), hashlib.sha256).hexdigest()[:32]

    def marked(self, place: str, mark: str) -> bool:
        """Whether `mark` is the place's."""
        return hmac.compare_digest(self.mark(place), mark)

    def close(self, body: bytes) -> str:
        """The id that carries `body`."""
        return _MARK + self._fernet.encrypt(body).decode()

    def open(self, text: str) -> bytes | None:
        """What the id carries; None: it is none of ours."""
        if not (text.isascii() and text.startswith(_MARK)):
            return None
        try:
            return self._fernet.decrypt(text.removeprefix(_MARK), ttl=_LIFETIME_S)
        except InvalidToken:
            return None
