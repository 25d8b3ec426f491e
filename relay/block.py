"""
A batch once published: immutable, with ids, seqs and levels.

Rules of this file: nothing is kept per line but bytes in arrays; a column that is the same for
all entries is one value. Seqs are always consecutive. As published, ids are consecutive too;
a packed block (:mod:`relay.packing`) has an id per entry.
"""

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from relay.entry import Entry, Level, Loss, Origin
from relay.lines import Lines

__all__ = ["MAX_ORIGINS", "Block", "Column", "DeclaredLoss"]

MAX_ORIGINS = 256
"""An entry's origin is one byte."""

_OVERHEAD_BYTES = 900
"""What a block costs besides its columns: the objects themselves, as measured."""

_block_keys = count(1)


class Column:
    """
    An integer for each entry, as offsets from the least in the narrowest array that holds them.

    Args:
        values: at least one.
    """

    __slots__ = ("base", "offsets")

    def __init__(self, values: "Sequence[int] | array[int]") -> None:
        self.base = min(values)
        code = "I" if max(values) - self.base < 1 << 32 else "Q"
        self.offsets = array(code, [value - self.base for value in values])

    def __getitem__(self, index: int) -> int:
        return self.base + self.offsets[index]

    def range(self, start: int, stop: int) -> list[int]:
        """Return the values from ``start`` up to, not with, ``stop``."""
        base = self.base
        return [base + offset for offset in self.offsets[start:stop]]

    @property
    def size_bytes(self) -> int:
        """Bytes of the array."""
        return len(self.offsets) * self.offsets.itemsize


class Block:
    """
    Consecutive entries of one channel.

    Args:
        channel: its name.
        first_id: id of the first entry.
        first_seq: seq of the first entry.
        lines: the text, at least one entry.
        levels: a :class:`~relay.entry.Level` for each entry, one byte each.
        origins: at most 256.
        origin_index: for each entry the index of its origin; ``None``: all are of the first.
        arrival_ns: when it was published; the timestamp where ``timestamps`` is ``None``.
        timestamps: for each entry nanoseconds since the epoch.
        ids: for each entry its id; ``None``: consecutive from ``first_id``.
        parts: indexes of entries that are pieces of a longer line.
        fields: for each entry its fields as a JSON object, or nothing; ``None``: none has any.
    """

    __slots__ = (
        "arrival_ns",
        "channel",
        "count",
        "fields",
        "first_id",
        "first_seq",
        "ids",
        "key",
        "last_id",
        "levels",
        "lines",
        "newest_ns",
        "oldest_ns",
        "origin_index",
        "origins",
        "parts",
        "size_bytes",
        "timestamps",
    )

    def __init__(
        self,
        channel: str,
        first_id: int,
        first_seq: int,
        lines: Lines,
        levels: bytes,
        origins: tuple[Origin, ...],
        origin_index: bytes | None = None,
        arrival_ns: int = 0,
        timestamps: Column | None = None,
        ids: Column | None = None,
        parts: frozenset[int] = frozenset(),
        fields: Lines | None = None,
    ) -> None:
        self.key = next(_block_keys)
        """Never given twice in this process: what caches know a block by."""
        self.channel = channel
        self.first_id = first_id
        self.first_seq = first_seq
        self.lines = lines
        self.count = lines.count
        self.levels = levels
        self.origins = origins
        self.origin_index = origin_index
        self.arrival_ns = arrival_ns
        self.timestamps = timestamps
        self.ids = ids
        self.parts = parts
        self.fields = fields
        self.last_id = first_id + self.count - 1 if ids is None else ids[self.count - 1]
        if timestamps is None:
            self.oldest_ns = self.newest_ns = arrival_ns
        else:
            self.oldest_ns = timestamps.base
            self.newest_ns = timestamps.base + max(timestamps.offsets)
        self.size_bytes = (
            _OVERHEAD_BYTES
            + len(lines.text)
            + self.count * (1 + (origin_index is not None) + 4 * lines.has_newlines)
            + (timestamps.size_bytes if timestamps else 0)
            + (ids.size_bytes if ids else 0)
            + 64 * len(parts)
            + (len(fields.text) if fields else 0)
        )

    @property
    def last_seq(self) -> int:
        """Seq of the last entry."""
        return self.first_seq + self.count - 1

    def id_at(self, index: int) -> int:
        """Return the id of the entry at ``index`` (from 0)."""
        return self.first_id + index if self.ids is None else self.ids[index]

    def id_range(self, start: int, stop: int) -> Sequence[int]:
        """Return the ids of the entries from ``start`` up to, not with, ``stop``."""
        if self.ids is None:
            return range(self.first_id + start, self.first_id + stop)
        return self.ids.range(start, stop)

    def index_after(self, cursor: int) -> int:
        """Return the index of the first entry whose id is greater than ``cursor``."""
        if cursor < self.first_id:
            return 0
        if cursor >= self.last_id:
            return self.count
        if self.ids is None:
            return cursor - self.first_id + 1
        return bisect_right(self.ids.offsets, cursor - self.ids.base)

    def timestamp_at(self, index: int) -> int:
        """Return nanoseconds since the epoch for the entry at ``index``."""
        return self.arrival_ns if self.timestamps is None else self.timestamps[index]

    def timestamp_range(self, start: int, stop: int) -> list[int]:
        """Return the timestamps of the entries from ``start`` up to, not with, ``stop``."""
        if self.timestamps is None:
            return [self.arrival_ns] * (stop - start)
        return self.timestamps.range(start, stop)

    def origin_at(self, index: int) -> Origin:
        """Return the origin of the entry at ``index``."""
        return self.origins[0 if self.origin_index is None else self.origin_index[index]]

    def entry(self, index: int) -> Entry:
        """Return the entry at ``index`` by itself."""
        return Entry(
            id=self.id_at(index),
            seq=self.first_seq + index,
            channel=self.channel,
            timestamp_ns=self.timestamp_at(index),
            level=Level(self.levels[index]),
            origin=self.origin_at(index),
            message=self.lines.entry(index).decode(),
            part=index in self.parts,
            fields=self.fields.entry(index).decode() or None if self.fields else None,
        )

    def __repr__(self) -> str:
        return f"<Block {self.channel} ids {self.first_id}-{self.last_id} seq {self.first_seq}+>"


@dataclass(frozen=True, slots=True)
class DeclaredLoss:
    """
    A loss at its place between blocks.

    Args:
        id: its own hub id.
        channel: of which lines are missing.
        loss: how many, and why.
    """

    id: int
    channel: str
    loss: Loss

    @property
    def first_id(self) -> int:
        """Its id: what orders it among blocks."""
        return self.id

    @property
    def last_id(self) -> int:
        """Its id: what orders it among blocks."""
        return self.id

    @property
    def size_bytes(self) -> int:
        """What it counts for against the bytes of a ring."""
        return 200
