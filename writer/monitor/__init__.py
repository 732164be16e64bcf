"""The monitor: a web page, metrics and JSON about a recorder, from a process of its own that only reads."""
