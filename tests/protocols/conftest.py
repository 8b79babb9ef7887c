"""Properties are judged by their outcome, not by how fast a busy machine gets to it."""

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
