"""TLS without a socket: bytes in, bytes out. Contexts for the client's side and for upstream."""

from __future__ import annotations

import ssl
from pathlib import Path

import certifi

_READ = 64 * 1024


class InterceptedTls(ssl.SSLObject):
    """A TLS session that we serve; remembers the server name that the client asked for."""

    requested_name: str | None = None


def server_context() -> ssl.SSLContext:
    """A context for the tunnel's inside: TLS >= 1.2, HTTP/1.1 only; the certificate is missing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(["http/1.1"])
    # No tickets: a handshake is cheap, and nothing of a tunnel should outlive it.
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET
    context.sslobject_class = InterceptedTls
    context.sni_callback = _remember_name
    return context


def _remember_name(
    session: ssl.SSLSocket | ssl.SSLObject, name: str | None, _: ssl.SSLContext
) -> None:
    if isinstance(session, InterceptedTls):
        session.requested_name = name


def upstream_context(extra_ca: Path | None = None) -> ssl.SSLContext:
    """A verifying context: the system's roots (certifi's where it has none), and `extra_ca`.

    Raises OSError or ssl.SSLError when `extra_ca` cannot be read.
    """
    context = ssl.create_default_context()
    if not context.get_ca_certs() and not _has_root_directory():
        context.load_verify_locations(cafile=certifi.where())
    if extra_ca is not None:
        context.load_verify_locations(cafile=str(extra_ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _has_root_directory() -> bool:
    # Roots in a directory are looked up when needed, so a context does not list them.
    directory = ssl.get_default_verify_paths().capath
    return directory is not None and any(Path(directory).iterdir())


class TlsSession:
    """One TLS connection between two memory buffers.

    Feed it what the socket gave, send what `outgoing()` has. `closed` is set by the peer's
    close_notify. Raises ssl.SSLError when the peer breaks the protocol or refuses us.
    """

    __slots__ = ("_in", "_out", "closed", "session")

    def __init__(
        self, context: ssl.SSLContext, *, server_side: bool, server_name: str | None = None
    ) -> None:
        self._in = ssl.MemoryBIO()
        self._out = ssl.MemoryBIO()
        self.closed = False
        self.session = context.wrap_bio(
            self._in, self._out, server_side=server_side, server_hostname=server_name
        )

    @property
    def requested_name(self) -> str | None:
        """The SNI of the client (None: it sent none)."""
        return self.session.requested_name if isinstance(self.session, InterceptedTls) else None

    def feed(self, data: bytes) -> None:
        """Take bytes from the socket."""
        self._in.write(data)

    def handshake(self) -> bool:
        """Go on with the handshake; whether it is complete."""
        try:
            self.session.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def outgoing(self) -> bytes:
        """What has to be sent now."""
        return self._out.read() if self._out.pending else b""

    def read(self) -> bytes:
        """All the plaintext that is there; b'' for none."""
        pieces: list[bytes] = []
        session = self.session
        incoming = self._in
        while True:
            try:
                piece = session.read(_READ)
            except ssl.SSLWantReadError:
                break
            if not piece:
                self.closed = True
                break
            pieces.append(piece)
            # Asking saves an exception for each read, which costs more than a small record.
            if not incoming.pending and not session.pending():
                break
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def encrypt(self, data: bytes) -> bytes:
        """The records that carry `data`."""
        written = self.session.write(data)
        if written < len(data):
            view = memoryview(data)
            while written < len(data):
                written += self.session.write(view[written:])
        return self._out.read()

    def close(self) -> bytes:
        """The close_notify."""
        try:
            self.session.unwrap()
        except ssl.SSLError:  # it wants the peer's close_notify, or the session is broken
            pass
        return self._out.read()
