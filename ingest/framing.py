"""Takes whole messages off a WebSocket without autobahn's bookkeeping for each frame.

Autobahn copies the rest of what was received twice for every frame and makes two Deferreds for every message, which
for messages of one row costs more than all the rest of ingest. Whatever is not a whole message in one plain binary
frame (RFC 6455, section 5.2) is left to autobahn: fragments, control frames, text, and everything that is wrong.
"""

from __future__ import annotations

import autobahn.twisted  # noqa: F401 - autobahn needs to be told first that Twisted is used
from autobahn.twisted.websocket import WampWebSocketClientProtocol

_FINAL_BINARY = 0x82
_SHORT_LENGTH = 126
_LONG_LENGTH = 127
_SHORTEST = {2: 126, 8: 65536}
_SMALL_BYTES = 128 << 10


class FeedClientProtocol(WampWebSocketClientProtocol):
    """Autobahn's protocol with a short way for plain messages."""

    def processData(self) -> bool:  # noqa: N802 - autobahn's name
        """Handle what is at the front of the received bytes; whether there may be more to do."""
        between_messages = self.current_frame is None and not self.inside_message
        if between_messages and self.state == self.STATE_OPEN and self._perMessageCompress is None:
            self._take_whole_messages()
            if not self.data or self._rest_is_worth_waiting_for():
                return False
        more: bool = super().processData()
        return more

    def _take_whole_messages(self) -> None:
        data, at = self.data, 0
        while self.state == self.STATE_OPEN and not self.failedByMe:
            begin, end = _message_at(data, at)
            if not begin or end > len(data) or self._is_too_large(end - begin):
                break
            self.onMessage(data[begin:end], True)
            at = end
        if at:
            self.data = data[at:]
            if self.autoPingTimeoutCall and self.autoPingRestartOnAnyTraffic:
                self._cancelAutoPingTimeoutCall()

    def _rest_is_worth_waiting_for(self) -> bool:
        """Whether what is left is the beginning of a small message, cheaper to complete than to treat as a stream."""
        begin, end = _message_at(self.data, 0)
        waits = begin > 0 and end - begin <= _SMALL_BYTES and not self._is_too_large(end - begin)
        return waits and self.state == self.STATE_OPEN and end > len(self.data)

    def _is_too_large(self, length: int) -> bool:
        limit: int = self.maxMessagePayloadSize  # type: ignore[attr-defined] # set by the factory
        return 0 < limit < length


def _message_at(data: bytes, at: int) -> tuple[int, int]:
    """Return where the payload of the plain message at an offset begins and ends; zeros where none is to be seen."""
    received = len(data)
    if received < at + 2 or data[at] != _FINAL_BINARY:
        return 0, 0
    length = data[at + 1]
    if length < _SHORT_LENGTH:
        return at + 2, at + 2 + length
    size = {_SHORT_LENGTH: 2, _LONG_LENGTH: 8}.get(length)
    if size is None or received < at + 2 + size:
        return 0, 0
    begin = at + 2 + size
    length = int.from_bytes(data[at + 2 : begin], "big")
    # Autobahn knows what to say of a length that is written longer than it need be.
    return (begin, begin + length) if length >= _SHORTEST[size] else (0, 0)
