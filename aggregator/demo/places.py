"""Where the demo keeps what it makes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The folders and files of one run.

    Attributes
    ----------
    root : Path
        Holds everything that stays after the demo.
    buffer : Path
        The recorder's buffer directory, gone after the demo.
    router : Path
        The router's configuration and key, gone after the demo.
    """

    root: Path
    buffer: Path
    router: Path

    @property
    def archive(self) -> Path:
        """The recorder's data directory."""
        return self.root / "data"

    @property
    def site(self) -> Path:
        """OCS_CONFIG_DIR of the demo's site."""
        return self.root / "site"

    @property
    def logs(self) -> Path:
        """What all programs have said."""
        return self.root / "logs"

    @property
    def published(self) -> Path:
        """Ledger of the simulated site."""
        return self.root / "ledgers" / "simulated-site"

    @property
    def witnessed(self) -> Path:
        """Ledger of the witness of OCS's FakeDataAgent."""
        return self.root / "ledgers" / "fake-data-agent"

    def log(self, name: str) -> Path:
        """Where a program's output goes.

        Parameters
        ----------
        name : str
            The program.

        Returns
        -------
        Path
            A file among the logs.
        """
        return self.logs / f"{name}.log"
