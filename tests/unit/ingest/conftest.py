"""Lets autobahn know that Twisted is used before any test module imports a part of it."""

import autobahn.twisted  # noqa: F401 - importing it is what does it
