"""Newline-delimited JSON: one object a line, for programs and ``jq``."""

from collections.abc import Sequence
from typing import ClassVar

from relay.encode.objects import (
    columns,
    cursor_object,
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

__all__ = ["NdjsonEncoder"]

_END = b'"}\n'


class NdjsonEncoder:
    """Objects as lines."""

    name = "ndjson"
    content_type: ClassVar[str] = "application/x-ndjson"

    def hello(self, version: str, cursor: int, channels: Sequence[str]) -> bytes:
        """Encode the start."""
        return hello_object(version, cursor, channels) + b"\n"

    def entries(self, span: Span, selection: Selection) -> bytes:
        """Encode the selected entries of a span; all of one is soon wanted in other formats."""
        if selection is ALL:
            return side_by_side(object_columns(span, _END, is_remembered=True), _END)
        return b"".join(
            [b'{"type":"log","id":%d,"seq":%d%b%b"}\n' % row for row in columns(span, selection)]
        )

    def each(self, span: Span) -> Sequence[bytes]:
        """Encode each entry of a span."""
        return rows([*object_columns(span), [_END] * (span.stop - span.start)])

    def gap(self, gap: Gap) -> bytes:
        """Encode what is missing."""
        return gap_object(gap) + b"\n"

    def ending(self, ending: Ending) -> bytes:
        """Encode the end of a run."""
        return ending_object(ending) + b"\n"

    def cursor(self, cursor: int) -> bytes:
        """Encode a heartbeat."""
        return cursor_object(cursor) + b"\n"

    def error(self, code: str, message: str) -> bytes:
        """Encode why a stream ends early."""
        return error_object(code, message) + b"\n"
