"""
One segment of the archive, read by the chunk.

Rule of this file: what cannot be read is nothing, never an error. The index says what there
should be, and who joins the chunks finds what is missing.
"""

import logging
import threading
from bisect import bisect_right
from collections import OrderedDict
from itertools import chain
from pathlib import Path
from typing import Generic, TypeVar

from relay.block import Block
from relay.marks import Missing
from relay.store.compression import SUFFIX, CompressedText, FrameError
from relay.store.index import SegmentRow, path_of
from relay.store.parsing import Item, first_id, pieces
from relay.store.plain import PlainText

__all__ = ["ChunkCache", "SegmentFile", "open_segment"]

MAX_FIRST_IDS = 65_536
"""Ids of the first lines of chunks that are kept: of 2,000 segments."""

OVERHEAD_BYTES = 300
"""What a hole costs, and a list of items."""

MAX_LACKING = 1000
"""Damaged segments that are not looked through again."""

MAX_WARNED = 1000
"""Problems that are not logged again."""

log = logging.getLogger(__name__)

T = TypeVar("T")

Text = PlainText | CompressedText

_Key = tuple[str, int, bool, int, int]


class _Recent(Generic[T]):
    """The values that were used last; for any thread."""

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self._size = 0
        self._kept: OrderedDict[_Key, tuple[T, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: _Key) -> T | None:
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key][0]

    def put(self, key: _Key, value: T, size: int) -> None:
        with self._lock:
            if key in self._kept:
                return
            self._kept[key] = (value, size)
            self._size += size
            while self._size > self._max_size:
                self._size -= self._kept.popitem(last=False)[1][1]


class ChunkCache:
    """
    What was read last, shared by all readers.

    Args:
        max_bytes: of blocks.
    """

    def __init__(self, max_bytes: int) -> None:
        self.pieces: _Recent[list[list[Item]]] = _Recent(max_bytes)
        """Of chunks; never to be changed."""
        self.lacking: _Recent[bool] = _Recent(MAX_LACKING)
        """Of segments that are damaged, whether losses of theirs are."""
        self.first_ids: _Recent[int] = _Recent(MAX_FIRST_IDS)
        """Of chunks."""
        self._warned: set[str] = set()

    def warn(self, problem: str) -> None:
        """Log what cannot be read, once: readers come again."""
        if problem not in self._warned:
            if len(self._warned) >= MAX_WARNED:
                self._warned.clear()
            self._warned.add(problem)
            log.warning("store: %s", problem)

    def has_warned(self, problem: str) -> bool:
        """Tell whether a problem was logged lately."""
        return problem in self._warned


class SegmentFile:
    """
    A segment that is read until :meth:`close`.

    Args:
        row: what the index says of it.
        text: its opened file; ``None``: there is none.
        cache: where parsed chunks are looked for and kept.
    """

    def __init__(self, row: SegmentRow, text: Text | None, cache: ChunkCache) -> None:
        self.row = row
        self._text = text
        self._cache = cache
        self.count = text.count if text is not None else 0
        """How many chunks it has."""

    def close(self) -> None:
        """Close its file."""
        if self._text is not None:
            self._text.close()

    def items(self, index: int) -> list[Item]:
        """Return what a chunk holds, without the jumps between: see :func:`parse`."""
        first, *others = self._pieces(index)
        return list(chain(first, *others)) if others else first

    def pieces(self, index: int) -> list[list[Item]]:
        """Return what a chunk holds, cut where declared losses may be missing."""
        found = self._pieces(index)
        return found if len(found) == 1 or self._lacks_losses else [self.items(index)]

    @property
    def lacks_end(self) -> bool:
        """Whether declared losses may be missing behind all chunks."""
        if not self.row.losses:
            return False
        is_short = self._text is None or self._text.may_lack(self.row.length)
        return is_short and self._lacks_losses

    @property
    def _lacks_losses(self) -> bool:
        """Whether fewer losses and holes can be read than there were; asked of damage alone."""
        row = self.row
        if not row.losses:
            return False
        key = row.channel, row.first_id, row.compressed, -1, row.losses
        lacks = self._cache.lacking.get(key)
        if lacks is None:
            items = (item for index in range(self.count) for item in self.items(index))
            lacks = sum(not isinstance(item, Block) for item in items) < row.losses
            self._cache.lacking.put(key, lacks, 1)
        return lacks

    def _pieces(self, index: int) -> list[list[Item]]:
        key = self._key(index)
        found = self._cache.pieces.get(key)
        if found is None:
            text = self._read(index)
            if not text:
                is_inside_line = not key[-1]
                return [[]] if is_inside_line else [[], []]
            found = self._of_row(pieces(self.row.channel, text))
            size = sum(_size_bytes(item) for piece in found for item in piece)
            self._cache.pieces.put(key, found, OVERHEAD_BYTES + size)
        return found

    def _of_row(self, found: list[list[Item]]) -> list[list[Item]]:
        """Leave out what cannot be here; it was something else before it was damaged."""
        fitting = [[item for item in piece if self._is_of_row(item)] for piece in found]
        return fitting if fitting == found or len(found) > 1 else [[], *fitting]

    def chunk_of(self, cursor: int) -> int:
        """Return the index of the last chunk that begins at or before an id, else 0."""
        return max(0, bisect_right(range(self.count), cursor, key=self._first_id_from) - 1)

    def _read(self, index: int) -> bytes:
        assert self._text is not None
        try:
            return self._text.read(index)
        except (OSError, FrameError) as error:
            self._cache.warn(str(error))
            return b""

    def _key(self, index: int) -> _Key:
        assert self._text is not None
        row = self.row
        return row.channel, row.first_id, row.compressed, index, self._text.length(index)

    def _is_of_row(self, item: Item) -> bool:
        """Tell whether an item can be here: a damaged number must not lead readers astray."""
        row = self.row
        if isinstance(item, Block) and not row.first_seq <= item.first_seq <= row.last_seq:
            return False
        return item.last_id <= row.last_id

    def _first_id_from(self, index: int) -> int:
        """Return the first id of a chunk or, where it cannot be read, of the next that can."""
        for later in range(index, self.count):
            key = self._key(later)
            found = self._cache.first_ids.get(key)
            if found is None:
                found = first_id(self._read(later))
            if found is not None:
                self._cache.first_ids.put(key, found, 1)
                return found
        return self.row.last_id + 1


def open_segment(directory: Path, row: SegmentRow, cache: ChunkCache) -> SegmentFile:
    """
    Open the file of a segment.

    Args:
        directory: of the state.
        row: what the index says of it.
        cache: shared by all that read in this directory.

    Raises:
        OSError: it cannot be opened.
    """
    return SegmentFile(row, _opened(directory, row), cache)


def _opened(directory: Path, row: SegmentRow) -> Text:
    path = path_of(directory, row)
    if row.compressed:
        return CompressedText(path)
    try:
        return PlainText(path, row.length)
    except FileNotFoundError:
        # After a power cut the index may not know yet that the other took its place.
        made = path.with_name(path.name + SUFFIX)
        if not made.exists():
            raise
        return CompressedText(made)


def _size_bytes(item: Item) -> int:
    return OVERHEAD_BYTES if isinstance(item, Missing) else item.size_bytes
