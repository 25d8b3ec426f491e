"""What every encoder gives: the same objects, each in its own format."""

from collections.abc import Sequence
from typing import ClassVar, Protocol

from relay.entry import Gap
from relay.run import Ending
from relay.selection import Selection
from relay.span import Span

__all__ = ["Encoder"]


class Encoder(Protocol):
    """
    One format of a stream. Pure; a format that cannot carry an object gives ``b""`` for it.

    Order of calls in a stream: ``hello`` once, then the others in any order.
    """

    name: str
    content_type: ClassVar[str]

    def hello(self, version: str, cursor: int, channels: Sequence[str]) -> bytes:
        """Encode the start: the id after which the stream starts, before any history."""

    def entries(self, span: Span, selection: Selection) -> bytes:
        """
        Encode the entries of a span that are selected.

        Args:
            span: entries of one block.
            selection: of the whole block, as its matcher gave it.
        """

    def each(self, span: Span) -> Sequence[bytes] | None:
        """
        Encode all entries of a span, each for itself; what is selected of them is joined.

        Returns:
            ``None`` where entries are not told apart.
        """

    def gap(self, gap: Gap) -> bytes:
        """Encode what is missing."""

    def ending(self, ending: Ending) -> bytes:
        """Encode the end of a run."""

    def cursor(self, cursor: int) -> bytes:
        """Encode a heartbeat."""

    def error(self, code: str, message: str) -> bytes:
        """Encode why a stream ends early."""
