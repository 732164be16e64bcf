"""The `hkagg` program: `hkagg ...` and `python -m aggregator ...`."""

from __future__ import annotations

import sys
import time

from aggregator import cli


def main() -> int:
    """Run the command line of this process and return its exit code."""
    return cli.main(sys.argv[1:], clock_ns=time.time_ns)


if __name__ == "__main__":
    sys.exit(main())
