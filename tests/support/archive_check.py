"""What every test asks of the archive that it leaves."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from writer.conformance import Tolerance, check_archive
from writer.g3 import HKArchiveScanner, load_range

IN_THE_DATA = (Tolerance.WIDENING, Tolerance.EQUAL_TIMES)
"""What feeds may do, and the recorder must not undo."""


def assert_archive_is_clean(
    data_dir: Path, *, tolerate: Collection[Tolerance] = IN_THE_DATA
) -> dict[str, tuple[NDArray[np.float64], NDArray[Any]]]:
    """Check an archive by every rule and read all of it with so3g.

    Returns
    -------
    dict
        ``address.field`` to Unix seconds and values, each of shape (rows,), as so3g's HKArchive gives them.
    """
    faults = check_archive(data_dir, tolerate=tolerate)
    assert not faults, "\n".join(faults)
    paths = sorted(data_dir.rglob("*.g3"))
    if not paths:
        return {}
    load_range(int(paths[0].stem), int(paths[-1].stem) + 3600, data_dir=str(data_dir))
    scanner = HKArchiveScanner()
    for path in paths:
        scanner.process_file(str(path))
    archive = scanner.finalize()
    fields = sorted(archive.get_fields()[0])
    return dict(zip(fields, archive.simple(fields, short_match=False), strict=True)) if fields else {}
