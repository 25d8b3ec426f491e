"""
Reading what is stored, some at a time, from worker threads.

Rules of this file:

* The index says what there should be: what of it cannot be read is a
  :class:`~relay.marks.Missing` of the right count, wherever it lies; of none where declared
  losses may be among it, of which the index knows only how many there were.
* Before the oldest segment nothing is missing: what was pruned is the channel's marks' business.
* A chunk is parsed once while it is wanted: readers of the same place share its blocks, which
  may begin before the cursor of one.
* A segment that is compressed or pruned while it is looked for is looked for again.
* What cannot be opened for now, since descriptors or memory have run out or the disk does not
  answer, is tried again for some seconds: a reader can wait, and passes by a gap for good.
"""

import errno
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from relay.block import Block, Column
from relay.errors import StoreError
from relay.marks import Missing
from relay.storage import Extent, Stretch, Wanted
from relay.store import index
from relay.store.continuity import Continuity
from relay.store.files import problem_of
from relay.store.index import SegmentRow
from relay.store.parsing import Item
from relay.store.segment_file import ChunkCache, SegmentFile, open_segment

__all__ = ["Archive"]

MAX_CACHED_BYTES = 16 * 1024 * 1024
"""Of parsed chunks."""

ROWS = 64
"""Segments that are asked for at once: a long time that is left out must not be one step."""

READ_CHUNKS = 8
"""Most chunks of one read, where all entries are outside of the times."""

PATIENCE_SECONDS = 5.0
"""For so long a read tries to open what it cannot for now."""

RETRY_SECONDS = 0.05

OF_FILE = frozenset({errno.ENOENT, errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENOTDIR})
"""What waiting does not help: it is so until somebody changes the file."""

T = TypeVar("T")


_Joined = tuple[list[Item], int]
"""Items with what is missing between them, and the id up to which that is all."""


@dataclass(frozen=True, slots=True)
class _Times:
    """From when and before when entries are wanted, nanoseconds; ``None``: from the first on."""

    since_ns: int | None
    until_ns: int | None

    def want(self, oldest_ns: int, newest_ns: int) -> bool:
        """Tell whether something between two times may be wanted."""
        return (self.since_ns is None or newest_ns >= self.since_ns) and (
            self.until_ns is None or oldest_ns < self.until_ns
        )

    def want_row(self, row: SegmentRow) -> bool:
        """Tell whether a segment is to be read; losses have no time."""
        return bool(row.losses) or self.want(row.oldest_ns, row.newest_ns)

    def want_item(self, item: Item) -> bool:
        """Tell whether an item may be wanted; losses have no time."""
        return not isinstance(item, Block) or self.want(item.oldest_ns, item.newest_ns)


class Archive:
    """
    Reads segments; its methods block, and may be called in any thread.

    Args:
        directory: of the state, with an index.
        max_cached_bytes: of blocks that are kept for the next reader.
        patience: seconds for which a read tries to open what it cannot for now.
    """

    def __init__(
        self,
        directory: Path,
        max_cached_bytes: int = MAX_CACHED_BYTES,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._directory = directory
        self._patience = patience
        self._max_cached_bytes = max_cached_bytes
        self._cache = ChunkCache(max_cached_bytes)
        self._lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._closed = 0
        """How often the index was let go of."""

    def close(self, *, is_new: bool = False) -> None:
        """
        Let go of the index: it may be another, or nobody is to read any more.

        Who reads at this moment closes what it reads from when it is done; who comes later
        opens the index that is there then.

        Args:
            is_new: whether segments may have the names of others that were read before.
        """
        if is_new:
            self._cache = ChunkCache(self._max_cached_bytes)
        with self._lock:
            self._closed += 1
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def read(self, wanted: Wanted) -> Stretch:
        """
        Return what is held, oldest first; see :meth:`relay.storage.Store.read`.

        The first block may begin at or before ``after``; a ``Missing`` that cannot be placed
        may end after ``until``.

        Raises:
            StoreError: the index cannot be read, or nothing can be opened.
        """
        return self._retried(wanted.channel, lambda reading: _onwards(reading, wanted))

    def read_back(self, wanted: Wanted) -> Stretch:
        """
        Return what is held, newest first; see :meth:`relay.storage.Store.read_back`.

        Raises:
            StoreError: the index cannot be read, or nothing can be opened.
        """
        return self._retried(wanted.channel, lambda reading: _backwards(reading, wanted))

    def extent(self, channel: str) -> Extent:
        """
        Return how much is held of a channel.

        Raises:
            StoreError: the index cannot be read.
        """
        return self._retried(channel, lambda reading: index.extent(reading.connection, channel))

    def _retried(self, channel: str, job: "Callable[[_Reading], T]") -> T:
        """Do a job; anew where the segments have changed meanwhile."""
        until = time.monotonic() + self._patience
        try:
            with self._connection(until) as connection:
                while True:
                    with _Reading(channel, self._directory, connection, self._cache, until) as one:
                        try:
                            return job(one)
                        except _MovedError:
                            continue
        except (OSError, sqlite3.Error) as error:
            problem = f"cannot be read: {problem_of(error)}"
            raise StoreError(str(self._directory), problem) from error

    @contextmanager
    def _connection(self, until: float) -> Iterator[sqlite3.Connection]:
        """Give a connection to the index that nobody else uses meanwhile."""
        with self._lock:
            closed = self._closed
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            connection = self._connected(until)
        is_kept = False
        try:
            yield connection
            is_kept = True
        finally:
            with self._lock:
                is_kept = is_kept and closed == self._closed
                if is_kept:
                    self._idle.append(connection)
            if not is_kept:
                connection.close()

    def _connected(self, until: float) -> sqlite3.Connection:
        path = self._directory / "index.db"
        while True:
            try:
                return index.connect(path, readonly=True)
            except sqlite3.OperationalError:
                # SQLite does not say why.
                if time.monotonic() >= until or not path.exists():
                    raise
            time.sleep(RETRY_SECONDS)


class _MovedError(Exception):
    """A segment was compressed or pruned since the index was asked."""


@dataclass(slots=True)
class _Reading:
    """
    One look at a channel's segments; closes their files in the end.

    Args:
        channel: its name.
        directory: of the state.
        connection: to the index.
        cache: of chunks.
        until: by the monotonic clock, how long to try to open what cannot be for now.
    """

    channel: str
    directory: Path
    connection: sqlite3.Connection
    cache: ChunkCache
    until: float
    opened: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.opened.close()

    def after(self, cursor: int, limit: int = ROWS) -> list[SegmentRow]:
        """Return the segments that reach beyond an id, oldest first."""
        return index.segments_after(self.connection, self.channel, cursor, limit)

    def before(self, before: int, limit: int = ROWS) -> list[SegmentRow]:
        """Return the segments that begin before an id, newest first."""
        return index.segments_before(self.connection, self.channel, before, limit)

    def open(self, row: SegmentRow) -> SegmentFile:
        """
        Open a segment; one that cannot be read holds nothing.

        Raises:
            _MovedError: its file is gone, and the index knows of it.
            OSError: it cannot be opened for now, which says nothing of what it holds.
        """
        while True:
            try:
                segment = open_segment(self.directory, row, self.cache)
            except OSError as error:
                # Rows go before their files do: one that still stands has lost its file.
                if isinstance(error, FileNotFoundError) and not self._stands(row):
                    raise _MovedError from None
                if self._holds_nothing(error):
                    self.cache.warn(str(error))
                    return SegmentFile(row, None, self.cache)
                if time.monotonic() >= self.until:
                    raise
            else:
                self.opened.callback(segment.close)
                return segment
            time.sleep(RETRY_SECONDS)

    def _holds_nothing(self, error: OSError) -> bool:
        """Tell whether it is this file that cannot be read, now and later."""
        if error.errno in OF_FILE:
            return True
        # A bad sector is no reason to give all other segments away, or to wait for it again.
        is_over = time.monotonic() >= self.until or self.cache.has_warned(str(error))
        return error.errno == errno.EIO and is_over

    def _stands(self, row: SegmentRow) -> bool:
        now = self.after(row.last_id - 1, 1)
        return [(one.first_id, one.compressed) for one in now] == [(row.first_id, row.compressed)]

    def start_of(self, row: SegmentRow) -> Continuity:
        """Return what there is before a segment."""
        older = self.before(row.first_id, 1)
        if older:
            return Continuity(older[0].last_id, older[0].last_seq)
        return Continuity(row.first_id - 1, row.first_seq - 1)

    def start_of_chunk(self, segment: SegmentFile, number: int) -> Continuity:
        """Return what there is before a chunk; reads chunks before it as far as is needed."""
        for start in range(number - 1, -1, -1):
            continuity = Continuity(0)
            for earlier in range(start, number):
                continuity.join_pieces(segment.pieces(earlier))
            if continuity.last_seq is not None:
                return continuity
        continuity = self.start_of(segment.row)
        for earlier in range(number):
            continuity.join_pieces(segment.pieces(earlier))
        return continuity


def _onwards(reading: _Reading, wanted: Wanted) -> Stretch:
    """Return what comes after an id: of a chunk, or of more where that gives nothing."""
    after, until = wanted.after, wanted.until
    times = _Times(wanted.since_ns, wanted.until_ns)
    rows = reading.after(after)
    items: list[Item] = []
    size = 0
    reach = after
    for number, (joined, reach) in enumerate(_joined_onwards(reading, rows, after, times)):
        for item in joined:
            if item.last_id <= after or not times.want_item(item):
                continue
            if item.first_id > until:
                return Stretch(items, until, after)
            if size >= wanted.max_bytes:
                return Stretch(items, items[-1].last_id, after)
            items.append(_from(_up_to(item, until), after))
            size += len(item.lines.text) if isinstance(item, Block) else 0
        if reach >= until:
            return Stretch(items, until, after)
        if reach > after and (size or number >= READ_CHUNKS):
            return Stretch(items, reach, after)
    return Stretch(items, until if len(rows) < ROWS else reach, after)


def _joined_onwards(
    reading: _Reading, rows: list[SegmentRow], after: int, times: _Times
) -> Iterator[_Joined]:
    """Give segments from the chunk on where the ids after ``after`` begin, chunk by chunk."""
    continuity: Continuity | None = None
    passed: list[Item] = []
    for row in rows:
        if not times.want_row(row):
            continuity = continuity or reading.start_of(row)
            passed += continuity.reach(row.first_id - 1, row.first_seq - 1)
            continuity = Continuity(row.last_id, row.last_seq)
            continue
        segment = reading.open(row)
        first = 0
        if continuity is None:
            first = segment.chunk_of(after)
            continuity = _start_at(reading, segment, first, after)
        for number in range(first, segment.count):
            yield passed + continuity.join_pieces(segment.pieces(number)), continuity.last_id
            passed = []
        continuity.is_uncertain |= segment.lacks_end
        yield passed + continuity.reach(row.last_id, row.last_seq), continuity.last_id
        passed = []
    if continuity is not None:
        yield passed, continuity.last_id


def _start_at(reading: _Reading, segment: SegmentFile, number: int, after: int) -> Continuity:
    """Return what there is before a chunk where ``after`` lies; often its first entry tells."""
    items = segment.items(number) if segment.count else []
    if items and isinstance(items[0], Block) and items[0].first_id <= after:
        return Continuity(items[0].first_id - 1, items[0].first_seq - 1)
    return reading.start_of_chunk(segment, number)


def _backwards(reading: _Reading, wanted: Wanted) -> Stretch:
    """Return what comes before an id: of a chunk, or of more where that gives nothing."""
    before, times = wanted.until + 1, _Times(wanted.since_ns, wanted.until_ns)
    rows = reading.before(before)
    items: list[Item] = []
    reach = before
    for number, (joined, reach) in enumerate(_joined_backwards(reading, rows, before, times)):
        found = [item for item in joined if item.first_id < before and times.want_item(item)]
        items.extend([_up_to(item, before - 1) for item in reversed(found)])
        if number >= READ_CHUNKS or any(isinstance(item, Block) for item in found):
            return Stretch(items, reach, before)
    return Stretch(items, 0 if len(rows) < ROWS else reach, before)


def _joined_backwards(
    reading: _Reading, rows: list[SegmentRow], before: int, times: _Times
) -> Iterator[_Joined]:
    """Give segments from the chunk on where ``before`` lies, chunk by chunk, newest first."""
    newer = next(iter(reading.after(before - 1, 1)), None)
    for row in rows:
        if not times.want_row(row):
            yield [], row.first_id
            continue
        segment = reading.open(row)
        last = segment.chunk_of(before - 1)
        while last + 1 < segment.count and not _reaches(segment, last, before - 1):
            last += 1  # What is missing in front of its entries may begin before `before`.
        for number in range(last, -1, -1):
            continuity = reading.start_of_chunk(segment, number)
            reach = continuity.last_id + 1
            joined = continuity.join_pieces(segment.pieces(number)) if segment.count else []
            if number + 1 >= segment.count:
                continuity.is_uncertain |= segment.lacks_end
                joined += continuity.reach(row.last_id, row.last_seq)
                if row is rows[0] and newer is not None and newer.first_id >= before:
                    joined += continuity.reach(newer.first_id - 1, newer.first_seq - 1)
            yield joined, reach


def _reaches(segment: SegmentFile, number: int, id_: int) -> bool:
    """Tell whether a chunk has an entry at or after an id."""
    return any(isinstance(item, Block) and item.last_id >= id_ for item in segment.items(number))


def _from(item: Item, after: int) -> Item:
    """Return what is left of an item for a reader that is at ``after``."""
    if isinstance(item, Missing) and item.first_id <= after:
        # Nobody knows which of them it has passed.
        return replace(item, first_id=after + 1, count=None, at_least=0)
    return item


def _up_to(item: Item, until: int) -> Item:
    """Return the part of an item up to an id, which it begins at or before."""
    if isinstance(item, Block) and item.last_id > until:
        return _head(item, item.index_after(until))
    return item


def _head(block: Block, stop: int) -> Block:
    """Return the first entries of a block."""
    timestamps = block.timestamps and Column(block.timestamps.range(0, stop))
    return Block(
        channel=block.channel,
        first_id=block.first_id,
        first_seq=block.first_seq,
        lines=block.lines.slice(0, stop),
        levels=block.levels[:stop],
        origins=block.origins,
        origin_index=block.origin_index and block.origin_index[:stop],
        arrival_ns=block.arrival_ns,
        timestamps=timestamps,
        ids=block.ids and Column(block.ids.range(0, stop)),
        parts=frozenset(part for part in block.parts if part < stop),
        fields=block.fields and block.fields.slice(0, stop),
    )
