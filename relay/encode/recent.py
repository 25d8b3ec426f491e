"""
What was just made JSON: what a store has written is what readers are sent next.

To make it is half of rendering an entry.
"""

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock

from relay.span import Span

__all__ = ["RECENT", "Recent", "Rendered"]

MAX_RECENT_BYTES = 2 * 1024 * 1024
"""A few commits of a flood, whose blocks are looked for as soon as they are visible. What is kept
longer is let go of when no cache has it any more, at a tenth of what rendering costs."""

_ENTRY_BYTES = 56
"""What an entry costs besides its text."""

_HEAD_BYTES = 256
"""What a head costs that is no other entry's."""

Rendered = tuple[Sequence[bytes], Sequence[bytes]]
"""Of each entry its head, which is all between its seq and its message, and its message."""

_Key = tuple[int, int, int]


class Recent:
    """
    The spans that were rendered last; threads may share it.

    Args:
        max_bytes: of heads and messages, with what they cost besides.
    """

    def __init__(self, max_bytes: int = MAX_RECENT_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._kept: OrderedDict[_Key, tuple[Rendered, int]] = OrderedDict()
        self._lock = Lock()

    def keep(self, span: Span, rendered: Rendered) -> None:
        """Remember what all of a span was made: heads, and messages as JSON without quotes."""
        key, block = _key(span), span.block
        are_heads_few = block.timestamps is None and block.fields is None
        entry_bytes = _ENTRY_BYTES if are_heads_few else _ENTRY_BYTES + _HEAD_BYTES
        size = len(block.lines.text) + entry_bytes * (span.stop - span.start)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = rendered, size
                self._bytes += size
            while self._bytes > self._max_bytes:
                self._bytes -= self._kept.popitem(last=False)[1][1]

    def find(self, span: Span) -> Rendered | None:
        """Return what a span was made, if it was one of the last."""
        kept = self._kept.get(_key(span))
        return None if kept is None else kept[0]


def _key(span: Span) -> _Key:
    return span.block.key, span.start, span.stop


RECENT = Recent()
"""Of the process; a block's key is never given twice in it."""
