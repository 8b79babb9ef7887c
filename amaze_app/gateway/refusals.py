"""What the gateway raises."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from amaze_proxy.control import errors
from amaze_proxy.control.console import OUTAGES
from amaze_proxy.control.errors import ControlError, PolicyInvalid, TooManyAttempts


class Refused(Exception):
    """The platform refuses what was asked. `errors`: faults of a policy, field and message."""

    def __init__(self, text: str, errors: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(text)
        self.errors = errors


class TooOften(Refused):
    """Wait `seconds`, then try again."""

    def __init__(self, text: str, seconds: int) -> None:
        super().__init__(text)
        self.seconds = seconds


class LostUpdate(Refused):
    """Somebody else was faster; nothing was changed."""


class NotInForce(Refused):
    """It is saved, but the store did not take it yet."""


class Outage(Exception):
    """The store or the database does not answer."""


@contextmanager
def told() -> Iterator[None]:
    """Turns the errors of control into those of the gateway."""
    try:
        yield
    except TooManyAttempts as error:
        raise TooOften(str(error), error.seconds) from None
    except PolicyInvalid as error:
        raise Refused(str(error), tuple(error.errors)) from None
    except errors.LostUpdate as error:
        raise LostUpdate(str(error)) from None
    except errors.NotInForce as error:
        raise NotInForce(str(error)) from None
    except ControlError as error:
        raise Refused(str(error)) from None
    except OUTAGES as error:
        raise Outage(f"a part of the platform does not answer: {error}") from error
