"""
Bytes of spans, rendered once per block, format and query, and shared by all who read them.

One LRU for the hub, bounded in bytes; with HTTP chunk framing where the connection has it.
"""

from collections import OrderedDict

from relay.encode import Encoder
from relay.matcher import MatchCache
from relay.query import Query
from relay.selection import ALL, NONE
from relay.span import Span

__all__ = ["Renderer", "chunk"]

MAX_CACHED_BYTES = 40 * 1024 * 1024
"""Of renderings: with what the allocator keeps besides, 64 MiB after reading everything."""

_ENTRY_BYTES = 300
"""What a cached rendering costs besides its bytes."""

_Key = tuple[int, int, int, str, bool, Query | None]


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
        self.renderings = 0
        """How often an encoder ran."""

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
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
            return kept
        body = encoder.entries(span, selection)
        self.renderings += 1
        if chunked:
            body = chunk(body)
        self._keep(key, body)
        return body

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
