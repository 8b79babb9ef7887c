"""The web UI: a Reflex application that reaches the platform through `gateway` alone."""
