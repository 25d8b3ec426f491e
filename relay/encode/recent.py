"""
Messages that were just made JSON: what a store has written is what readers are sent next.

To make them is two thirds of rendering an entry.
"""

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock

from relay.span import Span

__all__ = ["RECENT", "Recent"]

MAX_RECENT_BYTES = 8 * 1024 * 1024
"""A commit and the next: it is looked for as soon as its block is visible."""

_MESSAGE_BYTES = 48
"""What a message costs besides its text."""

_Key = tuple[int, int, int]


class Recent:
    """
    The messages of the spans that were rendered last; threads may share it.

    Args:
        max_bytes: of messages, with what they cost besides.
    """

    def __init__(self, max_bytes: int = MAX_RECENT_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._kept: OrderedDict[_Key, tuple[Sequence[bytes], int]] = OrderedDict()
        self._lock = Lock()

    def keep(self, span: Span, messages: Sequence[bytes]) -> None:
        """Remember the messages of all of a span, as JSON without quotes."""
        key = _key(span)
        size = len(span.block.lines.text) + _MESSAGE_BYTES * len(messages)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = messages, size
                self._bytes += size
            while self._bytes > self._max_bytes:
                self._bytes -= self._kept.popitem(last=False)[1][1]

    def find(self, span: Span) -> Sequence[bytes] | None:
        """Return the messages of a span, if it was one of the last."""
        kept = self._kept.get(_key(span))
        return None if kept is None else kept[0]


def _key(span: Span) -> _Key:
    return span.block.key, span.start, span.stop


RECENT = Recent()
"""Of the process; a block's key is never given twice in it."""
