"""Settings of this room's tests."""

from hypothesis import settings

# No test is timed: the machine may be busy.
settings.register_profile("policy", deadline=None)
settings.load_profile("policy")
