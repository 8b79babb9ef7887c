"""How long a test waits for what must come."""

PATIENCE = 30.0
"""Seconds: the machine that runs the tests may stand still for several at a time."""
