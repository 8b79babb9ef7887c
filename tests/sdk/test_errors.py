from __future__ import annotations

import amaze


def test_a_send_error_says_what_happened() -> None:
    error = amaze.SendError(403, "not-allowed", "ask your operator")
    assert (error.status, error.reason, error.body) == (403, "not-allowed", "ask your operator")
    assert str(error) == "403 not-allowed: ask your operator"
    assert str(amaze.SendError(502, "upstream-unreachable", "")) == "502 upstream-unreachable"
    assert str(amaze.SendError(403, "not-allowed", "{…}", "ask")) == "403 not-allowed: ask"


def test_all_are_of_one_family() -> None:
    for kind in (
        amaze.ConfigurationError,
        amaze.EnforcementError,
        amaze.RegistrationError,
        amaze.SendError,
    ):
        assert issubclass(kind, amaze.AmazeError)
