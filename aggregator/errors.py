"""Every way of being bad that hkagg knows, one class each.

A message is one sentence that says what is wrong and what the operator can do; the command line prints it
as it stands.
"""

from __future__ import annotations


class HkaggError(Exception):
    """Base of every error that hkagg raises on purpose."""


class SettingsError(HkaggError):
    """A setting or argument has a value that cannot be used."""


class BufferDirectoryError(HkaggError):
    """The buffer directory cannot hold the log."""


class LockHeldError(HkaggError):
    """Another process already does this process's job on the same buffer directory."""


class LogFormatError(HkaggError):
    """A file in the buffer directory is not a segment of this log, or of a version this program cannot read."""


class LogSpaceError(HkaggError):
    """There is no room in the buffer for another segment."""


class RecordPayloadError(HkaggError):
    """The payload of a control record cannot be read."""


class CheckpointError(HkaggError):
    """A checkpoint slot is torn, of another format or not there."""


class DiskTroubleError(HkaggError):
    """The archive's disk refused an operation; the data stays in the log until it can be written.

    Parameters
    ----------
    action : str
        What was tried, for the operator.
    path : str
        The file or directory concerned.
    cause : OSError
        What the operating system said.
    """

    def __init__(self, action: str, path: str, cause: OSError) -> None:
        self.errno = cause.errno
        super().__init__(
            f"cannot {action} {path}: {cause.strerror or cause}; the data is kept in the buffer and the writer "
            "tries again by itself: free space or mend the disk"
        )


class ArchiveFileTooShortError(HkaggError):
    """A file of the archive has lost bytes that the checkpoint counts on.

    Parameters
    ----------
    path : str
        The file.
    length : int
        What it has, in bytes.
    valid_length : int
        What it should have at least.
    """

    def __init__(self, path: str, length: int, valid_length: int) -> None:
        super().__init__(
            f"{path} has {length} bytes where {valid_length} were written: the machine lost power or the file was "
            "changed; see what is left with 'hkagg verify'"
        )


class NotAnArchiveFileError(HkaggError):
    """A file has no frames that could be shown.

    Parameters
    ----------
    path : str
        The file.
    reason : str
        What is there instead.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path} is not a file of a housekeeping archive: {reason}")


class UndecodableMessage(HkaggError):  # noqa: N818 - names the message, which is what is handed on
    """A message cannot be represented in the archive and goes to quarantine whole.

    Parameters
    ----------
    reason : str
        Short, machine-readable, from a closed set: it labels a counter.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class RouterMissingError(HkaggError):
    """Crossbar.io, the router of the demo and of the tests, is not installed."""


class LedgerError(HkaggError):
    """A ledger cannot be read."""


class SupervisorMissingError(HkaggError):
    """Supervisord, which `hkagg run` hands the pair to, is not installed."""


class ArchiveMissingError(HkaggError):
    """There is no archive where one was named.

    Parameters
    ----------
    path : str
        The place.
    """

    def __init__(self, path: str) -> None:
        super().__init__(f"there is no archive at {path}: name the --data-dir of the recorder")


class DemoError(HkaggError):
    """A program of the demo did not do its part."""


class BenchError(HkaggError):
    """A run of the benchmark came to nothing, so that it has no figures."""


class CheckingProcessError(HkaggError):
    """A process that checked files ended before it was done."""

    def __init__(self) -> None:
        super().__init__("a process that checked files was killed, maybe for want of memory: try again with --jobs 1")


class FileChangedError(HkaggError):
    """A file was changed by somebody else while it was being mended.

    Parameters
    ----------
    path : str
        The file.
    """

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} was changed while it was looked at, and is left as it is: who writes to it?")


class KeepDirectoryError(HkaggError):
    """The directory for cut bytes is in an archive, where readers would stumble over it.

    Parameters
    ----------
    keep_dir, data_dir : str
        The two directories.
    """

    def __init__(self, keep_dir: str, data_dir: str) -> None:
        super().__init__(
            f"{keep_dir} is inside the archive {data_dir}, where readers expect nothing else: name another"
        )


class NoSuchEntryError(HkaggError):
    """An entry that was asked for is not in quarantine.

    Parameters
    ----------
    ids : str
        What was asked for.
    """

    def __init__(self, ids: str) -> None:
        super().__init__(f"{ids} is not in quarantine, or not any more: see 'hkagg quarantine list'")


class RemoteHostError(HkaggError):
    """The monitor was to listen where other machines can ask it, and nobody said that they may.

    Parameters
    ----------
    host : str
        Where it was to listen.
    """

    def __init__(self, host: str) -> None:
        super().__init__(
            f"{host} can be reached from other machines, and the monitor asks nobody for a password: leave --host "
            "away and use an SSH tunnel or a reverse proxy, or give --allow-remote"
        )


class MonitorStartError(HkaggError):
    """The monitor cannot start: something that it needs is missing or taken."""


class NoSuchFieldError(HkaggError):
    """A field that was asked for is in none of the files.

    Parameters
    ----------
    name : str
        What was asked for.
    near : list[str]
        Full names that are like it.
    count : int
        How many fields there are.
    """

    def __init__(self, name: str, near: list[str], count: int) -> None:
        hint = f"did you mean {', '.join(near)}?" if near else "see what there is with --list"
        super().__init__(f"none of {count} fields is called {name}: {hint}")


class AmbiguousFieldError(HkaggError):
    """A short name stands for several fields.

    Parameters
    ----------
    name : str
        What was asked for.
    found : list[str]
        Some of the full names.
    count : int
        How many there are.
    """

    def __init__(self, name: str, found: list[str], count: int) -> None:
        more = f" and {count - len(found)} more" if count > len(found) else ""
        super().__init__(f"{name} stands for {count} fields: {', '.join(found)}{more}; say more of the name, or use *")


class NothingToPlotError(HkaggError):
    """There are no rows in the span that was asked for.

    Parameters
    ----------
    what : str
        The fields, in words.
    span : str
        The span, in words.
    """

    def __init__(self, what: str, span: str) -> None:
        super().__init__(f"there are no rows of {what} {span}: see what there is with 'hkagg inspect'")


class NoDisplayError(HkaggError):
    """There is no screen to open a window on."""

    def __init__(self) -> None:
        super().__init__("there is no screen to open a window on: write the plot to a file with -o FILE.png")


class UnreadableArchiveError(HkaggError):
    """A file or folder of an archive cannot be read."""
