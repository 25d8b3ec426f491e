"""
WebSocket frames, built once for all clients.

A server's frames are not masked, so that they are the same for everyone. One text frame for
each object; with ``batch`` entries come as arrays of at most so many, one frame each.

Rule of this file: as elsewhere, the work per line is one ``%`` of bytes; lengths, headers and
the joining are done by C over the whole span.

Source: RFC 6455, section 5.2.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, ClassVar

from relay.encode.objects import (
    columns,
    cursor_object,
    ending_object,
    error_object,
    gap_object,
    hello_object,
)
from relay.entry import Gap
from relay.run import Ending
from relay.selection import ALL, Selection
from relay.span import Span

__all__ = ["WebSocketEncoder", "close_frame", "pong_frame", "text_frame"]

TEXT, CLOSE, PONG = 0x81, 0x88, 0x8A
"""First byte of a frame that is a whole message: its kind."""

MAX_ARRAY_BYTES = 512 * 1024
"""Clients refuse messages that are too large, the Python package from 1 MiB on."""

MAX_KEPT_LENGTH = 4096
"""Headers of frames up to this length are made once."""

MAX_REASON_BYTES = 123


class WebSocketEncoder:
    """
    Objects as text frames.

    Args:
        batch: entries come as arrays of at most so many; ``None``: one object a frame.
        ref: what ``hello`` and ``error`` bring back to who asked; ``None`` for nothing.
    """

    content_type: ClassVar[str] = "application/json"

    def __init__(self, batch: int | None = None, ref: Any = None) -> None:
        self.name = "ws" if batch is None else f"ws+{batch}"
        self._batch = batch
        self._more = {} if ref is None else {"ref": ref}

    def hello(self, version: str, cursor: int, channels: Sequence[str]) -> bytes:
        """Encode the start."""
        return text_frame(hello_object(version, cursor, channels, **self._more))

    def entries(self, span: Span, selection: Selection) -> bytes:
        """Encode the selected entries of a span."""
        objects = [
            b'{"type":"log","id":%d,"seq":%d%b%b"}' % row for row in columns(span, selection)
        ]
        if self._batch is not None:
            objects = list(_arrays(objects, self._batch))
        headers = map(_headers.__getitem__, map(len, objects))
        return b"".join(chain.from_iterable(zip(headers, objects, strict=True)))

    def each(self, span: Span) -> Sequence[bytes] | None:
        """Encode each entry of a span; which of them share an array depends on the selection."""
        if self._batch is not None:
            return None
        objects = [b'{"type":"log","id":%d,"seq":%d%b%b"}' % row for row in columns(span, ALL)]
        return [_headers[len(one)] + one for one in objects]

    def gap(self, gap: Gap) -> bytes:
        """Encode what is missing."""
        return text_frame(gap_object(gap))

    def ending(self, ending: Ending) -> bytes:
        """Encode the end of a run."""
        return text_frame(ending_object(ending))

    def cursor(self, cursor: int) -> bytes:
        """Encode a heartbeat."""
        return text_frame(cursor_object(cursor))

    def error(self, code: str, message: str, **more: Any) -> bytes:
        """Encode why the stream ends; a close frame follows."""
        return text_frame(error_object(code, message, **more, **self._more))


def text_frame(payload: bytes) -> bytes:
    """Return a message of text."""
    return _headers[len(payload)] + payload


def pong_frame(payload: bytes) -> bytes:
    """Return the answer to a ping."""
    return bytes((PONG, len(payload))) + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """
    Return the last frame.

    Args:
        code: why, see :mod:`relay.web.socket`.
        reason: a stable word for programs; at most 123 bytes are sent.
    """
    payload = code.to_bytes(2) + reason.encode()[:MAX_REASON_BYTES]
    return bytes((CLOSE, len(payload))) + payload


def _arrays(objects: list[bytes], most: int) -> Iterator[bytes]:
    """Give objects as arrays of at most ``most``, halved where they would be too large."""
    for start in range(0, len(objects), most):
        some = objects[start : start + most]
        if len(some) > 1 and sum(map(len, some)) > MAX_ARRAY_BYTES:
            yield from _arrays(some, len(some) // 2)
        else:
            yield b"[" + b",".join(some) + b"]"


class _Headers(dict[int, bytes]):
    """Headers of text frames by the payload's length."""

    def __missing__(self, length: int) -> bytes:
        if length < 126:
            header = bytes((TEXT, length))
        elif length < 65_536:
            header = bytes((TEXT, 126)) + length.to_bytes(2)
        else:
            header = bytes((TEXT, 127)) + length.to_bytes(8)
        if length <= MAX_KEPT_LENGTH:
            self[length] = header
        return header


_headers = _Headers()
