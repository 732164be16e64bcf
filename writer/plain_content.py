"""Puts what is in quarantine into plain JSON, whatever it is, without losing what it was."""

from __future__ import annotations

import base64
import math
from typing import Any

import msgpack

DEEPEST = 50
"""Levels; what is nested deeper is there for harm, and still in the raw bytes."""

_UNREADABLE = (msgpack.UnpackException, ValueError, TypeError, RecursionError, OverflowError, MemoryError)


def plain_content(content: bytes) -> Any:
    """Return what an entry holds.

    Parameters
    ----------
    content : bytes
        msgpack, or anything.

    Returns
    -------
    Any
        Strict JSON. What JSON does not know is an object with one key: ``bytes`` (base64), ``float`` (nan, inf, -inf),
        ``ext`` (code and base64), ``map`` (list of pairs, when a key is not a string), ``deep`` (nested too deeply).
    """
    try:
        value = msgpack.unpackb(
            content, strict_map_key=False, unicode_errors="surrogateescape", object_pairs_hook=_Pairs
        )
    except _UNREADABLE:
        return _bytes(content)
    return _plain(value, DEEPEST)


class _Pairs(list[tuple[Any, Any]]):
    """The keys and values of a map, of which not all keys may be hashable or strings."""


def _plain(value: Any, levels: int) -> Any:
    if levels == 0:
        return {"deep": type(value).__name__}
    if isinstance(value, _Pairs):
        pairs = [(_plain(key, levels - 1), _plain(each, levels - 1)) for key, each in value]
        is_plain = all(isinstance(key, str) for key, _ in pairs) and len({key for key, _ in pairs}) == len(pairs)
        return dict(pairs) if is_plain else {"map": [list(pair) for pair in pairs]}
    if isinstance(value, (list, tuple)) and not isinstance(value, msgpack.ExtType):
        return [_plain(each, levels - 1) for each in value]
    return _plain_leaf(value)


def _plain_leaf(value: Any) -> Any:
    if isinstance(value, bytes):
        return _bytes(value)
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    if isinstance(value, msgpack.ExtType):
        return {"ext": [value.code, base64.b64encode(value.data).decode()]}
    if value is None or isinstance(value, (str, int, float)):
        return value
    return {type(value).__name__.lower(): str(value)}


def _bytes(content: bytes) -> dict[str, str]:
    return {"bytes": base64.b64encode(content).decode()}
