"""Checks ingest's arguments and its site file, and prints the buffer directory they mean, without starting anything.

`hkagg run` asks this way: only this package can read a site file, and whoever starts ingest again and again wants to
know of a mistake before that.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from aggregator.errors import SettingsError
from ingest.arguments import read_settings


def main(argv: Sequence[str] | None = None) -> int:
    """Print the directory, or the one line that says what is wrong; return the exit code."""
    try:
        print(read_settings(argv).buffer_dir)  # noqa: T201 - it is what was asked for
    except SettingsError as error:
        print(f"hkagg run: {error}", file=sys.stderr)  # noqa: T201 - the one line that the operator sees
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
