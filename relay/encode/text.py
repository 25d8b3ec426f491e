"""
Plain text: messages and nothing else, for pipes.

No hello and no heartbeat. Gaps are left out unless ``gaps=1`` asks for a marker line, since a
pipe must not read what no program wrote.
"""

from collections.abc import Sequence
from itertools import compress
from typing import ClassVar

from relay.entry import Gap
from relay.run import Ending
from relay.selection import ALL, NONE, Selection
from relay.span import Span

__all__ = ["TextEncoder"]


class TextEncoder:
    """
    Messages, each closed by a newline.

    Args:
        gaps: whether a marker line stands where entries are missing.
    """

    content_type: ClassVar[str] = "text/plain; charset=utf-8"

    def __init__(self, *, gaps: bool = False) -> None:
        self.name = "text+gaps" if gaps else "text"
        self._gaps = gaps

    def hello(self, version: str, cursor: int, channels: Sequence[str]) -> bytes:
        """Nothing: a pipe carries messages."""
        return b""

    def entries(self, span: Span, selection: Selection) -> bytes:
        """Return the selected messages; a whole span is a slice of the block."""
        if selection is NONE:
            return b""
        lines = span.block.lines.slice(span.start, span.stop)
        if selection is ALL:
            return lines.text
        chosen = list(compress(lines.split(), selection[span.start : span.stop]))
        return b"\n".join(chosen) + b"\n" if chosen else b""

    def each(self, span: Span) -> None:
        """Nothing: a selected message is as good as ready."""

    def gap(self, gap: Gap) -> bytes:
        """Return a marker line where they are asked for."""
        if not self._gaps:
            return b""
        if gap.count is None:
            count = f"at least {gap.at_least}" if gap.at_least else "an unknown number of"
        else:
            count = str(gap.count)
        return f"--- gap: {count} entries of {gap.channel} missing ({gap.reason}) ---\n".encode()

    def ending(self, ending: Ending) -> bytes:
        """Nothing: the end of the stream says it."""
        return b""

    def cursor(self, cursor: int) -> bytes:
        """Nothing: TCP keepalive finds dead peers."""
        return b""

    def error(self, code: str, message: str) -> bytes:
        """Nothing: the end of the stream says it."""
        return b""
