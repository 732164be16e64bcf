"""The rules that frames of one file must keep among each other, so that so3g and sotodlib read them right."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from writer.block_rules import BlockRules
from writer.frames import DATA, HKAGG_VERSION, SESSION, STATUS
from writer.g3 import Frame, core
from writer.rules import Rule

Report: TypeAlias = Callable[[Rule, str], None]

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
_ADDRESS_TOKENS = 4
_G3_PER_S = 100_000_000
_FURTHEST_FRAME_TIME_S = 60
"""As far as so3g's HKScanner lets a frame's timestamp be from its first row."""


@dataclass(slots=True)
class _Provider:
    address: str
    since_s: float
    is_active: bool = True
    session: str | None = None
    last_frame_s: float | None = None


class FrameRules:
    """Checks the frames of one file in their order.

    Parameters
    ----------
    report : Callable[[Rule, str], None]
        Takes each breach, in words.
    blocks : BlockRules
        Checks each block.
    folder : str
        The file's ctime5 folder, or an empty string when it has none.
    """

    def __init__(self, report: Report, blocks: BlockRules, folder: str) -> None:
        self._report = report
        self._blocks = blocks
        self._folder = folder
        self._session_id: int | None = None
        self._frames = 0
        self._has_only_session = True
        self._providers: dict[int, _Provider] = {}

    def check(self, frame: Frame) -> bool:
        """Check the next frame; tell whether it is sound enough for so3g to be shown it."""
        kind = frame.get("hkagg_type", None)
        self._frames += 1
        self._has_only_session &= kind == SESSION
        if self._frames <= len(_HEAD) and kind != _HEAD[self._frames - 1]:
            self._report(Rule.HEAD, "the file does not begin with a session frame and a status frame")
        if kind not in _KEYS:
            self._report(Rule.HKAGG_TYPE, f"hkagg_type is {kind}, not 0, 1 or 2")
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
        if self._frames < len(_HEAD) and self._has_only_session:
            self._report(Rule.ONLY_SESSION, "the file ends before it has a session frame and a status frame")

    def _keys(self, frame: Frame, schema: dict[str, Any]) -> bool:
        found = {key: type(frame[key]) for key in frame.keys()}  # noqa: SIM118 - a frame is no mapping
        for key in sorted(schema.keys() - found.keys()):
            self._report(Rule.FRAME_KEYS, f"key {key} is missing")
        for key in sorted(found.keys() - schema.keys()):
            self._report(Rule.FRAME_KEYS, f"key {key} does not belong to a frame of hkagg_type {frame['hkagg_type']}")
        wrong = [key for key, kind in schema.items() if key in found and found[key] is not kind]
        for key in wrong:
            self._report(
                Rule.FRAME_KEYS, f"key {key} is of type {found[key].__name__} instead of {schema[key].__name__}"
            )
        if frame.get("hkagg_version", None) != HKAGG_VERSION:
            version = frame.get("hkagg_version", None)
            self._report(Rule.HKAGG_VERSION, f"hkagg_version is {version} instead of {HKAGG_VERSION}")
            return False
        return not wrong and schema.keys() <= found.keys()

    def _order(self, frame: Frame, kind: int) -> None:
        session_id = frame["session_id"]
        if kind == SESSION:
            self._session_id = session_id
        elif self._session_id is not None and session_id != self._session_id:
            self._report(Rule.SESSION_ID, f"its session_id is {session_id}, the session frame's {self._session_id}")
        if kind != SESSION and self._folder and _folder_at(frame["timestamp"]) > self._folder:
            text = f"its timestamp {frame['timestamp']:.3f} is past the file's folder {self._folder}"
            self._report(Rule.FOLDER_END, text)

    def _status(self, frame: Frame) -> None:
        entries = [(entry["prov_id"].value, entry["description"].value) for entry in frame["providers"]]
        prov_ids = [prov_id for prov_id, _ in entries]
        if prov_ids != sorted(set(prov_ids)):
            self._report(Rule.PROVIDERS, f"its providers are not in order of prov_id, each once: {prov_ids}")
        for prov_id, address in entries:
            self._activate(prov_id, address, frame["timestamp"])
        for prov_id in self._providers.keys() - set(prov_ids):
            self._providers[prov_id].is_active = False

    def _activate(self, prov_id: int, address: str, since_s: float) -> None:
        known = self._providers.get(prov_id)
        if known is None or known.address != address:
            self._address(address)
        if known is None:
            self._providers[prov_id] = _Provider(address, since_s)
            return
        if known.address != address:
            self._report(Rule.PROVIDER_IDENTITY, f"prov_id {prov_id} was {known.address!r} and is {address!r}")
        if not known.is_active:
            self._report(Rule.PROVIDER_RETURNS, f"prov_id {prov_id} is active again")
        known.address, known.is_active = address, True

    def _address(self, address: str) -> None:
        tokens = address.split(".")
        if len(tokens) != _ADDRESS_TOKENS or not all(tokens) or not address.isascii():
            self._report(Rule.ADDRESS, f"address {address!r} is not four ASCII words with dots between them")

    def _data(self, frame: Frame) -> bool:
        prov_id, names = frame["prov_id"], list(frame["block_names"])
        provider = self._providers.get(prov_id)
        if provider is None or not provider.is_active:
            text = f"prov_id {prov_id} is not in the status frame before it: readers fail with KeyError"
            self._report(Rule.PROVIDER_UNKNOWN, text)
            return False
        self._identity(prov_id, provider, frame)
        self._frame_time(provider, frame)
        if len(names) != len(frame["blocks"]) or len(names) != len(set(names)):
            self._report(Rule.BLOCKS, f"{len(frame['blocks'])} blocks have the names {names}")
            return False
        pairs = zip(names, frame["blocks"], strict=True)
        sound = [self._blocks.check(prov_id, provider.address, name, block) for name, block in pairs]
        return all(sound)

    def _identity(self, prov_id: int, provider: _Provider, frame: Frame) -> None:
        address, session = frame["address"], frame["provider_session_id"]
        if address != provider.address:
            self._report(Rule.PROVIDER_IDENTITY, f"its address is {address!r}, the status frame's {provider.address!r}")
        if provider.session is not None and session != provider.session:
            self._report(Rule.PROVIDER_IDENTITY, f"prov_id {prov_id} stands for two provider sessions")
        provider.session = session

    def _frame_time(self, provider: _Provider, frame: Frame) -> None:
        timestamp_s, before_s = frame["timestamp"], provider.last_frame_s
        if before_s is None and timestamp_s < provider.since_s:
            self._report(
                Rule.FRAME_EARLY, f"its timestamp is {provider.since_s - timestamp_s:.3f} s before its provider"
            )
        if before_s is not None and timestamp_s <= before_s:
            self._report(Rule.FRAME_ORDER, "its timestamp is not after that of its provider's frame before")
        provider.last_frame_s = timestamp_s
        firsts = [block.times[0].time for block in frame["blocks"] if _has_rows(block)]
        if firsts and abs(min(firsts) / _G3_PER_S - timestamp_s) > _FURTHEST_FRAME_TIME_S:
            off_s = timestamp_s - min(firsts) / _G3_PER_S
            self._report(Rule.FRAME_TIME, f"its timestamp is {off_s:+.1f} s from its first row")


def _folder_at(time_s: float) -> str:
    return str(int(time_s))[:5] if math.isfinite(time_s) else ""


def _has_rows(block: Frame) -> bool:
    return isinstance(block, core.G3TimesampleMap) and len(block.times) > 0
