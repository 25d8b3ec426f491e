"""
Server-Sent Events.

``event:`` names the type. Entries, gaps, run endings, ``hello`` and ``cursor`` carry an
``id:``, which a browser sends back as ``Last-Event-ID`` when it connects again. A heartbeat
has data too: clients other than browsers drop or misread an event that has only an ``id:``.

Source: WHATWG HTML, "Server-sent events".
"""

from collections.abc import Sequence
from typing import ClassVar

from relay.encode.objects import (
    columns,
    cursor_object,
    digits,
    ending_object,
    error_object,
    gap_object,
    hello_object,
    object_columns,
    rows,
    side_by_side,
)
from relay.entry import Gap
from relay.run import Ending
from relay.selection import ALL, Selection
from relay.span import Span

__all__ = ["SseEncoder"]

_END = b'"}\n\n'

RETRY_MILLISECONDS = 1000
"""After which a browser connects again."""


class SseEncoder:
    """Objects as events."""

    name = "sse"
    content_type: ClassVar[str] = "text/event-stream"

    def hello(self, version: str, cursor: int, channels: Sequence[str]) -> bytes:
        """Encode the start, with its cursor as id."""
        return b"retry: %d\n%b" % (
            RETRY_MILLISECONDS,
            _event(b"hello", cursor, hello_object(version, cursor, channels)),
        )

    def entries(self, span: Span, selection: Selection) -> bytes:
        """Encode the selected entries of a span."""
        if selection is ALL:
            return side_by_side(_columns(span, _END), _END)
        return b"".join(
            [
                b'id: %d\nevent: log\ndata: {"type":"log","id":%d,"seq":%d%b%b"}\n\n'
                % (id_, id_, seq, head, message)
                for id_, seq, head, message in columns(span, selection)
            ]
        )

    def each(self, span: Span) -> Sequence[bytes]:
        """Encode each entry of a span."""
        return rows([*_columns(span), [_END] * (span.stop - span.start)])

    def gap(self, gap: Gap) -> bytes:
        """Encode what is missing."""
        return _event(b"gap", gap.id, gap_object(gap))

    def ending(self, ending: Ending) -> bytes:
        """Encode the end of a run."""
        return _event(b"complete", ending.id, ending_object(ending))

    def cursor(self, cursor: int) -> bytes:
        """Encode a heartbeat."""
        return _event(b"cursor", cursor, cursor_object(cursor))

    def error(self, code: str, message: str) -> bytes:
        """Encode why a stream ends early; without an id, so that the reader may resume."""
        return b"event: error\ndata: %b\n\n" % error_object(code, message)


def _columns(span: Span, before: bytes = b"") -> list[Sequence[bytes]]:
    """Return all but the ends of the events of a span, as columns."""
    ids = digits(span.block.id_range(span.start, span.stop), before + b"id: ")
    return [*ids, *object_columns(span, b"\nevent: log\ndata: ")]


def _event(kind: bytes, id_: int, data: bytes) -> bytes:
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (id_, kind, data)
