"""
A channel's newest entries.

Rules of this file:

* Whole blocks leave, oldest first, while the ring holds more than ``max_bytes``, or while
  ``max_lines`` entries remain without them. The newest item always stays.
* What left is remembered as marks: in ``marks`` what is gone, and with a store in ``left``
  what may still be held there.
* Declared losses stand at their place among the blocks and leave with the block after them.
* Small neighbours that are no longer new are packed: each line is copied O(log) times, and a
  channel that gets one line at a time becomes as small as one that is filled in bulk.
"""

import sys
from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from relay.block import Block
from relay.marks import Marks
from relay.packing import Item, absorb, pack_neighbours

__all__ = ["Item", "Ring"]

FRESH_ITEMS = 16
"""The newest items are left as published: live readers share their bytes."""

PACK_ITEMS = 64
"""How many items leave the fresh zone together."""

PACKED_LINES = 1024
"""A packed block has at most this many entries, and an eighth of a small ring."""


class Ring:
    """
    The newest blocks of one channel.

    Appending costs O(1) and a share of packing; finding an id O(log blocks).

    Args:
        max_lines: see the rule above; at least 1.
        max_bytes: of blocks with their columns.
    """

    def __init__(self, max_lines: int, max_bytes: int) -> None:
        self.max_lines = max_lines
        self.max_bytes = max_bytes
        self.lines = 0
        self.bytes = 0
        self.marks = Marks()
        """What is gone: older than all that is held anywhere."""
        self.left: Marks | None = None
        """With a store: what left, wherever it is now."""
        self._items: list[Item] = []
        self._start = 0
        self._packed_lines = max(PACK_ITEMS, min(PACKED_LINES, max_lines // 8))
        self._packed = 0
        """Items before this index are packed or need no packing."""

    def append(self, item: Item) -> None:
        """Add what was published last, and let the oldest leave."""
        self._items.append(item)
        self.bytes += item.size_bytes
        if isinstance(item, Block):
            self.lines += item.count
        self._evict()
        if len(self._items) - self._packed >= FRESH_ITEMS + PACK_ITEMS:
            self._pack()

    @property
    def first(self) -> Item | None:
        """The oldest item that is held."""
        return self._items[self._start] if len(self._items) > self._start else None

    @property
    def last(self) -> Item | None:
        """The newest item that is held."""
        return self._items[-1] if len(self._items) > self._start else None

    @property
    def first_block(self) -> Block | None:
        """The oldest block that is held."""
        for index in range(self._start, len(self._items)):
            item = self._items[index]
            if isinstance(item, Block):
                return item
        return None

    @property
    def last_block(self) -> Block | None:
        """The newest block that is held."""
        for index in range(len(self._items) - 1, self._start - 1, -1):
            item = self._items[index]
            if isinstance(item, Block):
                return item
        return None

    def __len__(self) -> int:
        """Return how many items are held."""
        return len(self._items) - self._start

    def after(self, cursor: int) -> Iterator[Item]:
        """Iterate over the items that have an id greater than ``cursor``, oldest first."""
        items = self._items
        for index in range(self._index_after(cursor), len(items)):
            yield items[index]

    def before(self, id_: int) -> Iterator[Item]:
        """Iterate over the items that have an id less than ``id_``, newest first."""
        items = self._items
        stop = bisect_left(items, id_, lo=self._start, key=_first_id)
        for index in range(stop - 1, self._start - 1, -1):
            yield items[index]

    def seq_at(self, cursor: int) -> int | None:
        """
        Return the seq of the last entry whose id is at most ``cursor``.

        Returns:
            ``None`` where the cursor is older than the oldest mark or block.
        """
        items = self._items
        index = bisect_right(items, cursor, lo=self._start, key=_first_id) - 1
        while index >= self._start:
            item = items[index]
            if isinstance(item, Block):
                return item.first_seq + item.index_after(cursor) - 1
            index -= 1
        if self.left is None or cursor <= self.marks.last_id:
            return self.marks.seq_at(cursor)
        return self.left.seq_at(cursor) if cursor >= (self.left.first_id or sys.maxsize) else None

    def clear(self) -> None:
        """Let all items leave."""
        for item in self.after(0):
            self._leave(item)
        self._items.clear()
        self._start = self._packed = self.lines = self.bytes = 0

    def _index_after(self, cursor: int) -> int:
        # Most readers are at the tail: look there before searching.
        items = self._items
        last = len(items) - 1
        if last < self._start or items[last].last_id <= cursor:
            return last + 1
        if last == self._start or items[last - 1].last_id <= cursor:
            return last
        return bisect_right(items, cursor, lo=self._start, key=_last_id)

    def _evict(self) -> None:
        items = self._items
        while len(items) - self._start > 1 and self._must_leave(items[self._start]):
            oldest = items[self._start]
            self.bytes -= oldest.size_bytes
            if isinstance(oldest, Block):
                self.lines -= oldest.count
            self._leave(oldest)
            self._start += 1
        if self._start >= FRESH_ITEMS and self._start * 2 >= len(items):
            del items[: self._start]
            self._packed = max(0, self._packed - self._start)
            self._start = 0

    def _leave(self, item: Item) -> None:
        (self.marks if self.left is None else self.left).add(item)

    def _must_leave(self, oldest: Item) -> bool:
        if self.bytes > self.max_bytes:
            return True
        # A loss leaves with the block that follows it.
        block = oldest if isinstance(oldest, Block) else self.first_block
        return block is not None and self.lines - block.count >= self.max_lines

    def _pack(self) -> None:
        items, stop = self._items, len(self._items) - FRESH_ITEMS
        start = max(self._packed, self._start)
        packed = pack_neighbours(items[start:stop], self._packed_lines)
        # As in a binary counter: the newest packed block grows by older ones of its size.
        while start > self._start:
            block = absorb(items[start - 1], packed[0], self._packed_lines)
            if block is None:
                break
            start -= 1
            packed[0] = block
        self.bytes -= sum(item.size_bytes for item in items[start:stop])
        self.bytes += sum(item.size_bytes for item in packed)
        items[start:stop] = packed
        self._packed = start + len(packed)


def _first_id(item: Item) -> int:
    return item.first_id


def _last_id(item: Item) -> int:
    return item.last_id
