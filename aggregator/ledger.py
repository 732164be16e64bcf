"""What was published, written down by whoever knows it, to be held against the archive.

A ledger is a stream of msgpack arrays, one a message: ``[data, feed]`` for a message that the router has
acknowledged, ``[data, feed, "doubtful"]`` for one whose publisher lost the router before it knew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import msgpack

from aggregator.errors import LedgerError

_DOUBTFUL = "doubtful"


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One message of a ledger.

    Attributes
    ----------
    data : dict[str, Any]
        Its blocks by name.
    feed : dict[str, Any]
        OCS's description of the feed.
    certain : bool
        False when nobody knows whether the router took it.
    """

    data: dict[str, Any]
    feed: dict[str, Any]
    certain: bool = True

    @property
    def address(self) -> str:
        """The feed's full address."""
        return str(self.feed["address"])


class LedgerWriter:
    """Appends messages to a ledger; what has been added survives the death of the process.

    Parameters
    ----------
    path : Path
        The ledger; made when it is missing, so that its existence says that its keeper is at work.
    """

    def __init__(self, path: Path) -> None:
        # Unbuffered: a publisher that is killed must not have said less than it did.
        self._file = path.open("ab", buffering=0)
        self._pack = msgpack.Packer(unicode_errors="surrogatepass").pack

    def add(self, data: Mapping[str, Any], feed: Mapping[str, Any], *, certain: bool = True) -> None:
        """Write down one message.

        Parameters
        ----------
        data, feed : Mapping[str, Any]
            The two parts of an OCS message.
        certain : bool
            Whether the router has acknowledged it.
        """
        entry = (data, feed) if certain else (data, feed, _DOUBTFUL)
        self._file.write(self._pack(entry))

    def close(self) -> None:
        """Close the ledger; may be called twice."""
        self._file.close()

    def __enter__(self) -> LedgerWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_ledger(path: Path) -> Iterator[LedgerEntry]:
    """Read a ledger from the beginning; an entry torn off at the end was never added.

    Parameters
    ----------
    path : Path
        The ledger.

    Yields
    ------
    LedgerEntry
        In the order in which they were added.

    Raises
    ------
    LedgerError
        When the file is not a ledger or cannot be read.
    """
    try:
        with path.open("rb") as stream:
            unpacker = msgpack.Unpacker(stream, strict_map_key=False, unicode_errors="surrogatepass", max_buffer_size=0)
            yield from map(_entry, unpacker)
    except OSError as error:
        raise LedgerError(f"cannot read the ledger {path}: {error.strerror or error}") from error
    except (ValueError, msgpack.UnpackException) as error:
        raise LedgerError(f"{path} is not a ledger: {error}; name the file that --ledger was given") from error


def _entry(item: object) -> LedgerEntry:
    match item:
        case [dict(data), dict(feed)]:
            return LedgerEntry(data=data, feed=feed)
        case [dict(data), dict(feed), str(mark)] if mark == _DOUBTFUL:
            return LedgerEntry(data=data, feed=feed, certain=False)
    raise ValueError(f"an entry of type {type(item).__name__} where a message was expected")
