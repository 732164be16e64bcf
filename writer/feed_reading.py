"""The feed part of a message: where the rows belong and how long their frames are.

Facts of the feed map: OCS's `Feed.encoded`; of `agg_params`: OCS's feed documentation.
"""

from __future__ import annotations

import math
import re

from aggregator.errors import UndecodableMessage
from writer.message import DEFAULT_FRAME_LENGTH_S, DEFAULT_FRESH_TIME_S, FeedHeader

_ADDRESS = re.compile(r"[!-\-/-~]+(\.[!-\-/-~]+){3}")
"""Four tokens of visible ASCII: so3g takes an address apart at its dots."""


def feed_header(feed: object) -> FeedHeader:
    """Read the header of a feed.

    Missing or unusable times count as OCS's defaults; a session id that is not a string counts as its `str`.

    Parameters
    ----------
    feed
        The feed part of a message, unpacked.

    Raises
    ------
    UndecodableMessage
        With the reason `bad-feed` or `bad-address`.
    """
    if not isinstance(feed, dict):
        raise UndecodableMessage("bad-feed")
    address = feed.get("address")
    if not isinstance(address, str) or not _ADDRESS.fullmatch(address):
        raise UndecodableMessage("bad-address")
    given = feed.get("agg_params")
    params = given if isinstance(given, dict) else {}
    return FeedHeader(
        address=address,
        session_id=_session_id(feed.get("session_id")),
        frame_length_s=_duration_s(params.get("frame_length"), DEFAULT_FRAME_LENGTH_S),
        fresh_time_s=_duration_s(params.get("fresh_time"), DEFAULT_FRESH_TIME_S),
    )


def _session_id(given: object) -> str:
    if given is None:
        return ""
    if not isinstance(given, (str, int, float)):
        raise UndecodableMessage("bad-feed")
    return str(given).encode(errors="replace").decode()


def _duration_s(given: object, default_s: float) -> float:
    if type(given) not in (int, float):
        return default_s
    duration_s = float(given)  # type: ignore[arg-type]
    return duration_s if math.isfinite(duration_s) and duration_s > 0 else default_s
