"""Property tests here have no deadline: the machine may be busy, and time is not what they are about."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("writer", deadline=None)
settings.load_profile("writer")
