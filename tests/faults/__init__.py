"""Faults of every kind; see docs/explanation/promises.md."""

import pytest

# What the oracle compares is to be seen when it does not agree.
pytest.register_assert_rewrite("tests.support.oracle", "tests.support.archive_check", "tests.support.killing")
