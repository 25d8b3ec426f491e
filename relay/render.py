"""
Bytes of spans, rendered once per block, format and query, and shared by all who read them.

One LRU for the hub, bounded in bytes; with HTTP chunk framing where the connection has it.
"""

from collections import OrderedDict
from collections.abc import Sequence
from itertools import compress

from relay.encode import Encoder
from relay.matcher import MatchCache
from relay.query import Query
from relay.selection import ALL, NONE, Selection
from relay.span import Span

__all__ = ["Renderer", "chunk"]

MAX_CACHED_BYTES = 40 * 1024 * 1024
"""Of renderings: with what the allocator keeps besides, 64 MiB after reading everything."""

_ENTRY_BYTES = 300
"""What a cached rendering costs besides its bytes."""

MAX_APART_BYTES = 4 * 1024 * 1024
"""Of entries that are kept each for itself: of the newest blocks, while many filters read them."""

MANY_QUERIES = 3
"""So many select from a span before its entries are made each for itself: then a selection costs
a quarter."""

_APART_BYTES = 41
"""What an entry of these costs besides its bytes."""

_Key = tuple[int, int, int, str, bool, Query | None]
_ApartKey = tuple[int, int, int, str]
_Apart = tuple[Sequence[bytes] | None, int, int]
"""All entries of a span once they are made, how often some were selected, and their size."""


class Renderer:
    """
    Renders spans for queries.

    Args:
        matches: decides which entries of a block a query wants.
        max_bytes: of renderings that are kept.
    """

    def __init__(self, matches: MatchCache, max_bytes: int = MAX_CACHED_BYTES) -> None:
        self._matches = matches
        self._max_bytes = max_bytes
        self._kept: OrderedDict[_Key, bytes] = OrderedDict()
        self._kept_bytes = 0
        self._last_key: _Key | None = None
        self._last = b""
        """What was found last: one client after the other asks for it, when it is news."""
        self.renderings = 0
        """How often an encoder ran."""
        self._apart: OrderedDict[_ApartKey, _Apart] = OrderedDict()
        self._apart_bytes = 0

    def render(self, span: Span, query: Query, encoder: Encoder, *, chunked: bool) -> bytes:
        """
        Return a span's entries as bytes.

        Args:
            span: of one block.
            query: whose entries are wanted.
            encoder: the format.
            chunked: whether HTTP/1.1 chunk framing stands around them.

        Returns:
            The bytes, shared with every other reader; empty where nothing is selected.
        """
        selection = ALL if query.is_plain else self._matches.select(span.block, query)
        if selection is NONE:
            return b""
        shared = None if selection is ALL else query
        key = (span.block.key, span.start, span.stop, encoder.name, chunked, shared)
        if key == self._last_key:
            return self._last
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
            self._last_key, self._last = key, kept
            return kept
        body = self._selected(span, selection, encoder)
        if chunked:
            body = chunk(body)
        self._keep(key, body)
        return body

    def _selected(self, span: Span, selection: Selection, encoder: Encoder) -> bytes:
        entries = self._entries(span, encoder) if isinstance(selection, bytes) else None
        if entries is None:
            self.renderings += 1
            return encoder.entries(span, selection)
        assert isinstance(selection, bytes)
        return b"".join(compress(entries, selection[span.start : span.stop]))

    def _entries(self, span: Span, encoder: Encoder) -> Sequence[bytes] | None:
        """Return all entries of a span, if other queries have selected some of it before."""
        key = span.block.key, span.start, span.stop, encoder.name
        entries, times, size = self._apart.pop(key, (None, 0, 0))
        self._apart_bytes -= size
        if entries is None:
            times, size = times + 1, _ENTRY_BYTES
            if times >= MANY_QUERIES and (entries := encoder.each(span)) is not None:
                self.renderings += 1
                size += sum(map(len, entries)) + _APART_BYTES * len(entries)
        self._apart[key] = entries, times, size
        self._apart_bytes += size
        while self._apart_bytes > MAX_APART_BYTES and len(self._apart) > 1:
            self._apart_bytes -= self._apart.popitem(last=False)[1][2]
        return entries

    def _keep(self, key: _Key, body: bytes) -> None:
        self._kept[key] = body
        self._kept_bytes += _size_bytes(key, body)
        while self._kept_bytes > self._max_bytes:
            self._kept_bytes -= _size_bytes(*self._kept.popitem(last=False))


def _size_bytes(key: _Key, body: bytes) -> int:
    query = key[-1]
    return len(body) + _ENTRY_BYTES + (query.size_bytes if query is not None else 0)


def chunk(body: bytes) -> bytes:
    """
    Return ``body`` as one chunk of HTTP/1.1; nothing for nothing, which would end the stream.

    Source: RFC 9112, section 7.1.
    """
    return b"%x\r\n%b\r\n" % (len(body), body) if body else b""
