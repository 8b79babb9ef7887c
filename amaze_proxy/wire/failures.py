"""What is logged when code of ours fails."""

from __future__ import annotations

import logging

logger = logging.getLogger("amaze.wire")


def log_failure(who: str, error: BaseException) -> None:
    """Log that `who` failed, and where."""
    # The type and the place only: an exception's text may quote a header.
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = "" if trace is None else f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
    logger.error("%s failed: %s%s", who, type(error).__name__, where)
