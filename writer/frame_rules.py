"""The rules that frames of one file must keep among each other, so that so3g and sotodlib read them right."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from enum import Enum
from typing import Any

import numpy as np

from writer.frames import DATA, HKAGG_VERSION, SESSION, STATUS
from writer.g3 import Frame, column_type, core, times_g3

_EVERY_FRAME: dict[str, type] = {"hkagg_type": int, "hkagg_version": int, "session_id": int}
_KEYS: dict[int, dict[str, Any]] = {
    SESSION: {**_EVERY_FRAME, "start_time": float, "description": str},
    STATUS: {**_EVERY_FRAME, "timestamp": float, "providers": core.G3VectorFrameObject},
    DATA: {
        **_EVERY_FRAME,
        "prov_id": int,
        "timestamp": float,
        "blocks": core.G3VectorFrameObject,
        "block_names": core.G3VectorString,
        "address": str,
        "provider_session_id": str,
    },
}
_HEAD = (SESSION, STATUS)
_FIELD_NAME = re.compile(r"_*[A-Za-z][A-Za-z0-9_]*", re.ASCII)
_LONGEST_FIELD_NAME = 255
_ADDRESS_TOKENS = 4
_WIDER = ("bool", "int", "double")


class Tolerance(Enum):
    """What a caller may know to be in the recorded data itself and no fault of the recorder."""

    WIDENING = "a column that widens from bool to int to double within a provider"
    EQUAL_TIMES = "rows of a block with the same timestamp"
    SCANNER_WARNINGS = "warnings of so3g's HKScanner, as when a feed's clock is off"


class FrameRules:
    """Checks the frames of one file in their order.

    Parameters
    ----------
    report : Callable[[str], None]
        Takes each breach, in words.
    folder : str
        The file's ctime5 folder, or an empty string when it has none.
    tolerate : Collection[Tolerance]
        What is not to be reported.
    """

    def __init__(self, report: Callable[[str], None], folder: str, tolerate: Collection[Tolerance]) -> None:
        self._report = report
        self._folder = folder
        self._tolerate = tolerate
        self._session_id: int | None = None
        self._frames = 0
        self._active: dict[int, str] = {}
        self._provider_sessions: dict[int, str] = {}
        self._columns: dict[tuple[int, str], dict[str, str]] = {}

    def check(self, frame: Frame) -> bool:
        """Check the next frame; tell whether it is sound enough for so3g to be shown it."""
        kind = frame.get("hkagg_type", None)
        self._frames += 1
        if self._frames <= len(_HEAD) and kind != _HEAD[self._frames - 1]:
            self._report("the file does not begin with a session frame and a status frame")
        if kind not in _KEYS:
            self._report(f"hkagg_type is {kind}, not 0, 1 or 2")
            return False
        if not self._keys(frame, _KEYS[kind]):
            return False
        self._order(frame, kind)
        if kind == STATUS:
            self._status(frame)
        elif kind == DATA:
            return self._data(frame)
        return True

    def finish(self) -> None:
        """Check what only the end of the file shows."""
        if self._frames < len(_HEAD):
            self._report("the file ends before it has a session frame and a status frame")

    def _keys(self, frame: Frame, schema: dict[str, Any]) -> bool:
        found = {key: type(frame[key]) for key in frame.keys()}  # noqa: SIM118 - a frame is no mapping
        for key in sorted(schema.keys() - found.keys()):
            self._report(f"key {key} is missing")
        for key in sorted(found.keys() - schema.keys()):
            self._report(f"key {key} does not belong to a frame of hkagg_type {frame['hkagg_type']}")
        wrong = [key for key, kind in schema.items() if key in found and found[key] is not kind]
        for key in wrong:
            self._report(f"key {key} is of type {found[key].__name__} instead of {schema[key].__name__}")
        if frame.get("hkagg_version", None) != HKAGG_VERSION:
            self._report(f"hkagg_version is {frame.get('hkagg_version', None)} instead of {HKAGG_VERSION}")
            return False
        return not wrong and schema.keys() <= found.keys()

    def _order(self, frame: Frame, kind: int) -> None:
        session_id = frame["session_id"]
        if kind == SESSION:
            self._session_id = session_id
        elif self._session_id is not None and session_id != self._session_id:
            self._report(f"its session_id is {session_id}, the session frame's {self._session_id}")
        if kind != SESSION and self._folder and str(int(frame["timestamp"]))[:5] > self._folder:
            self._report(f"its timestamp {frame['timestamp']:.3f} is past the file's folder {self._folder}")

    def _status(self, frame: Frame) -> None:
        providers = [(entry["prov_id"].value, entry["description"].value) for entry in frame["providers"]]
        prov_ids = [prov_id for prov_id, _ in providers]
        if prov_ids != sorted(set(prov_ids)):
            self._report(f"its providers are not in order of prov_id, each once: {prov_ids}")
        for _, address in providers:
            tokens = address.split(".")
            if len(tokens) != _ADDRESS_TOKENS or not all(tokens) or not address.isascii():
                self._report(f"address {address!r} is not four ASCII words with dots between them")
        self._active = dict(providers)

    def _data(self, frame: Frame) -> bool:
        prov_id, names = frame["prov_id"], list(frame["block_names"])
        if prov_id not in self._active:
            self._report(f"prov_id {prov_id} is not in the status frame before it: readers fail with KeyError")
            return False
        if frame["address"] != self._active[prov_id]:
            self._report(f"its address is {frame['address']!r}, the status frame's {self._active[prov_id]!r}")
        session = self._provider_sessions.setdefault(prov_id, frame["provider_session_id"])
        if frame["provider_session_id"] != session:
            self._report(f"prov_id {prov_id} stands for two provider sessions")
        if len(names) != len(frame["blocks"]) or len(names) != len(set(names)):
            self._report(f"{len(frame['blocks'])} blocks have the names {names}")
            return False
        sound = [self._block(prov_id, name, block) for name, block in zip(names, frame["blocks"], strict=True)]
        return all(sound)

    def _block(self, prov_id: int, name: str, block: Frame) -> bool:
        if not isinstance(block, core.G3TimesampleMap):
            self._report(f"block {name!r} is a {type(block).__name__}")
            return False
        self._times(name, block)
        columns = {field: column_type(block[field]) for field in block.keys()}  # noqa: SIM118
        self._fields(name, columns)
        known = self._columns.setdefault((prov_id, name), columns)
        if known.keys() != columns.keys():
            self._report(
                f"block {name!r} of prov_id {prov_id} has other fields than before: "
                f"{sorted(known.keys() ^ columns.keys())}"
            )
        for field in known.keys() & columns.keys():
            self._same_type(f"{name}.{field}", known[field], columns[field])
        self._columns[prov_id, name] = columns
        return True

    def _times(self, name: str, block: Frame) -> None:
        times = times_g3(block)
        if not len(times):
            self._report(f"block {name!r} has no rows: readers fail with IndexError")
            return
        steps = np.diff(times)
        if (steps < 0).any():
            self._report(f"rows of block {name!r} are not in time order")
        if Tolerance.EQUAL_TIMES not in self._tolerate and (repeats := int((steps == 0).sum())):
            self._report(f"{repeats} rows of block {name!r} repeat the timestamp before them")

    def _fields(self, name: str, columns: dict[str, str]) -> None:
        if not columns:
            self._report(f"block {name!r} has no fields")
        for field in columns:
            if not _FIELD_NAME.fullmatch(field) or len(field) > _LONGEST_FIELD_NAME:
                self._report(f"field {field!r} of block {name!r} is not a valid field name")

    def _same_type(self, field: str, before: str, now: str) -> None:
        if before == now:
            return
        widens = before in _WIDER and now in _WIDER and _WIDER.index(before) < _WIDER.index(now)
        if not (widens and Tolerance.WIDENING in self._tolerate):
            self._report(f"{field} changes from {before} to {now}: readers take the first type for all")
