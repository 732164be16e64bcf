"""The parts of `hkagg bench` that speak WAMP; each is a program of its own."""
