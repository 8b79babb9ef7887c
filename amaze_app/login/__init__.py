"""The login page: plain HTML, so that nobody needs a socket before a session."""
