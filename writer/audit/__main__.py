"""``python -m writer.audit --ledger FILE DATA_DIR``."""

from __future__ import annotations

import sys

from writer.audit.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
