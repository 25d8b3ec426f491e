"""A range of a block's entries: what readers are given."""

from dataclasses import dataclass

from relay.block import Block

__all__ = ["Span"]


@dataclass(frozen=True, slots=True)
class Span:
    """
    Entries of one block, from ``start`` up to, not with, ``stop``.

    They may hold entries that the query does not want: a matcher decides that per block.
    """

    block: Block
    start: int
    stop: int

    @property
    def first_id(self) -> int:
        """Id of the first entry."""
        return self.block.id_at(self.start)

    @property
    def last_id(self) -> int:
        """Id of the last entry."""
        return self.block.id_at(self.stop - 1)

    @property
    def text_bytes(self) -> int:
        """About how much text it holds."""
        return len(self.block.lines.text) * (self.stop - self.start) // self.block.count
