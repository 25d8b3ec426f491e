"""
Counts over time by level.

Rule of this file: entries are counted in bulk. A block whose entries all fall into one bucket
costs seven counts of bytes; only others are looked at entry by entry.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import compress

from relay.block import Block
from relay.entry import Level
from relay.selection import ALL, NONE, Selection

__all__ = ["Buckets", "Histogram", "divide"]


@dataclass(frozen=True, slots=True)
class Buckets:
    """
    How a time is cut: ``count`` parts of equal length, one behind the other.

    Args:
        start_ns: of the first, in nanoseconds since the epoch.
        interval_ns: how long each is.
        count: how many there are.
    """

    start_ns: int
    interval_ns: int
    count: int

    @property
    def end_ns(self) -> int:
        """The first nanosecond after the last."""
        return self.start_ns + self.interval_ns * self.count

    def index(self, ns: int) -> int:
        """Return the index of the bucket for a time; it may lie outside."""
        return (ns - self.start_ns) // self.interval_ns


def divide(
    since_ns: int, until_ns: int, count: int, interval_ns: int | None, least_ns: int = 1_000_000
) -> Buckets:
    """
    Cut a time into buckets.

    Args:
        since_ns: its start.
        until_ns: its end, which does not belong to it.
        count: into how many, where they would not be shorter than ``least_ns``.
        interval_ns: how long each is, whatever ``count`` says; they then begin at multiples of
            it since the epoch, so that later histograms have the same.
        least_ns: the least length, in nanoseconds.
    """
    if interval_ns is None:
        interval_ns = max(least_ns, -(-(until_ns - since_ns) // count))
    else:
        since_ns -= since_ns % interval_ns
    return Buckets(since_ns, interval_ns, -(-(until_ns - since_ns) // interval_ns))


class Histogram:
    """
    Counts entries by bucket and level.

    Args:
        buckets: of time; entries outside are not counted.
    """

    def __init__(self, buckets: Buckets) -> None:
        self.buckets = buckets
        self._counts: Counter[tuple[int, int]] = Counter()

    def add(self, block: Block, start: int, stop: int, selection: Selection) -> None:
        """Count what is selected of a block's entries from ``start`` up to, not with, ``stop``."""
        if selection is NONE or start >= stop:
            return
        levels: Iterable[int] = block.levels[start:stop]
        index = self.buckets.index
        if block.timestamps is None or index(block.oldest_ns) == index(block.newest_ns):
            self._add_whole(index(block.oldest_ns), block, start, stop, selection)
            return
        places: Iterable[int] = self._places(block, start, stop)
        if selection is not ALL:
            mask = selection[start:stop]
            places, levels = compress(places, mask), compress(levels, mask)
        self._counts.update(zip(places, levels, strict=True))

    def _add_whole(
        self, place: int, block: Block, start: int, stop: int, selection: Selection
    ) -> None:
        levels = block.levels[start:stop]
        if isinstance(selection, bytes):
            levels = bytes(compress(levels, selection[start:stop]))
        for level in Level:
            if count := levels.count(level):
                self._counts[place, level] += count

    def _places(self, block: Block, start: int, stop: int) -> list[int]:
        assert block.timestamps is not None
        interval = self.buckets.interval_ns
        base = block.timestamps.base - self.buckets.start_ns
        return [(base + offset) // interval for offset in block.timestamps.offsets[start:stop]]

    def levels(self) -> list[dict[Level, int]]:
        """Return for each bucket how many entries of each level it has; of others nothing."""
        found: list[dict[Level, int]] = [{} for _ in range(self.buckets.count)]
        for (place, level), count in sorted(self._counts.items()):
            if 0 <= place < len(found):
                found[place][Level(level)] = count
        return found
