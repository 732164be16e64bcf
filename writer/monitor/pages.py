"""The files of the page, all read at the start: no request ever names a path."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

CONTENT_TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".LICENSE": "text/plain",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticFile:
    """A file of the page.

    Parameters
    ----------
    url : str
        Where it is served.
    content : bytes
        What is in it.
    content_type : str
        What that is.
    """

    url: str
    content: bytes
    content_type: str


def static_files() -> list[StaticFile]:
    """Return all files of the page; `/` is index.html."""
    found: list[StaticFile] = []
    _collect(resources.files("writer.monitor") / "static", "/", found)
    return found


def _collect(folder: Traversable, url: str, found: list[StaticFile]) -> None:
    for entry in folder.iterdir():
        if entry.is_dir():
            _collect(entry, f"{url}{entry.name}/", found)
            continue
        suffix = "." + entry.name.rsplit(".", 1)[-1]
        if suffix in CONTENT_TYPES:
            name = "" if entry.name == "index.html" else entry.name
            found.append(StaticFile(url=url + name, content=entry.read_bytes(), content_type=CONTENT_TYPES[suffix]))
