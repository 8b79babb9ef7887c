"""How transactions are begun, whatever the database."""

from __future__ import annotations

BUSY_TIMEOUT_MS = 5_000
"""How long a transaction waits for another one."""
WRITES = "amaze_writes"
"""Execution option of a transaction that is going to write."""
MIGRATES = "amaze_migrates"
"""Execution option of the transaction that changes the schema."""
