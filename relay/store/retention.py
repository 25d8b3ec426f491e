"""
What is kept on disk, and for how long.

Rules of this file:

* Only sealed segments go, and of each channel the oldest first: what is held of it stays in one
  piece.
* Age is that of an :class:`AgeClock`: a step of the wall clock makes nothing old at once.
* What a channel was archived with stays by the rule of archives when it is archived no more.
* Sums are kept for each channel, taken from the index when its segments change; nothing is kept
  for each segment.
"""

import heapq
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice, takewhile
from pathlib import Path

from relay.errors import StoreError
from relay.quantities import format_size
from relay.store import index
from relay.store.index import SegmentRow

__all__ = ["AgeClock", "Keeping", "Retention", "Sums", "free_bytes", "oldest", "spare"]

log = logging.getLogger(__name__)

MAX_CHOSEN = 64
"""Segments that go at once: removing their files must not hold up a commit."""

HOUR_NS = 3_600_000_000_000

FRAME_BYTES = 256
"""Of an entry's object about so much is not its text."""


class AgeClock:
    """
    The time by which things grow old; never goes back, and never stands still.

    It advances by the monotonic clock, and follows the wall clock at half to twice its speed:
    an hour by which the wall clock is stepped takes at least an hour to matter, and where it was
    years ahead once what is stored grows old all the same. Only one thread may ask.

    Args:
        kept_ns: where it stood in an earlier life; ``None``: it begins with the wall clock.
        wall: nanoseconds since the epoch; may be stepped.
        monotonic: nanoseconds since some time.
    """

    def __init__(
        self,
        kept_ns: int | None = None,
        wall: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._asked_ns = monotonic()
        self._half_ns = 2 * (wall() if kept_ns is None else kept_ns)
        """In halves of a nanosecond: so it does not matter how often it is asked."""

    def now_ns(self) -> int:
        """Return nanoseconds; near those since the epoch while nobody steps the wall clock."""
        now_ns = self._monotonic()
        elapsed_ns = now_ns - self._asked_ns
        self._asked_ns = now_ns
        slowest, fastest = self._half_ns + elapsed_ns, self._half_ns + 4 * elapsed_ns
        self._half_ns = min(max(slowest, 2 * self._wall()), fastest)
        return self._half_ns // 2


@dataclass(frozen=True, slots=True)
class Keeping:
    """
    How much is kept of a channel.

    Args:
        archive: whether more than its ring's bounds is.
        age_ns: archived: segments that were last written to so long ago go.
        stored_bytes: archived: what sealed segments may take on disk.
        lines: of its ring.
        bytes: of its ring.
    """

    archive: bool
    age_ns: int
    stored_bytes: int
    lines: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Sums:
    """
    What a channel's sealed segments hold.

    Args:
        segments: how many there are.
        entries: how many they hold.
        length: bytes of their text.
        stored_bytes: what they take on disk.
    """

    segments: int = 0
    entries: int = 0
    length: int = 0
    stored_bytes: int = 0

    def without(self, segment: SegmentRow) -> "Sums":
        """Return what the others hold."""
        return Sums(
            self.segments - 1,
            self.entries - segment.entries,
            self.length - segment.length,
            self.stored_bytes - segment.stored_bytes,
        )


def spare(
    segments: Iterable[SegmentRow], sums: Sums, keeping: Keeping, now_ns: int
) -> Iterator[SegmentRow]:
    """
    Give the segments of a channel that are not to be kept.

    The open segment is not looked at: it is what is held beyond a ring's bounds.

    Args:
        segments: sealed ones, oldest first; asked for only as far as is needed.
        sums: of all that are sealed.
        keeping: how much is kept.
        now_ns: by the age clock.
    """
    for segment in segments:
        rest = sums.without(segment)
        if keeping.archive or segment.compressed:
            is_old = segment.written_ns < now_ns - keeping.age_ns
            goes = is_old or sums.stored_bytes > keeping.stored_bytes
        else:
            text_bytes = rest.length - rest.entries * FRAME_BYTES
            goes = rest.entries >= keeping.lines or text_bytes >= keeping.bytes
        if not goes:
            return
        yield segment
        sums = rest


def oldest(channels: Iterable[Iterable[SegmentRow]], lacking_bytes: int) -> Iterator[SegmentRow]:
    """
    Give the oldest segments of all channels, until so much room is made.

    Args:
        channels: the sealed segments of each, oldest first.
        lacking_bytes: what is to be freed.
    """
    for segment in _by_age(channels):
        if lacking_bytes <= 0:
            return
        yield segment
        lacking_bytes -= segment.stored_bytes


def _by_age(channels: Iterable[Iterable[SegmentRow]]) -> Iterator[SegmentRow]:
    """Merge segments of channels, each oldest first."""
    # Ids grow over all channels: their order is that of age, whatever clocks did.
    return heapq.merge(*channels, key=lambda one: one.last_id)


def free_bytes(directory: Path) -> int | None:
    """Return the room that is left on a directory's file system; ``None`` if nobody can say."""
    try:
        found = os.statvfs(directory)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize


@dataclass(frozen=True, slots=True)
class _Held:
    """What is sealed of one channel."""

    sums: Sums
    oldest: SegmentRow


class Retention:
    """
    Chooses what goes; asking costs O(channels) besides what goes and what has changed.

    Args:
        directory: of the state.
        keeping: for a channel's name how much is kept of it.
        min_free_bytes: room that the file system should have.
        may_go: whether a segment can be let go of now; what comes after one that cannot stays.
    """

    def __init__(
        self,
        directory: Path,
        keeping: Callable[[str], Keeping],
        min_free_bytes: int = 0,
        may_go: Callable[[SegmentRow], bool] = lambda row: True,
    ) -> None:
        self._directory = directory
        self._keeping = keeping
        self._min_free_bytes = min_free_bytes
        self._may_go = may_go
        self._held: dict[str, _Held] = {}
        self._changed: set[str] | None = None
        self._told_ns: int | None = None

    def touch(self, channel: str | None = None) -> None:
        """
        Note that sealed segments have changed: there are more, or fewer, or they are compressed.

        Args:
            channel: whose; ``None``: anybody's.
        """
        if channel is None:
            self._changed = None
        elif self._changed is not None:
            self._changed.add(channel)

    @property
    def segments(self) -> int:
        """How many sealed segments there were when it was last chosen."""
        return sum(held.sums.segments for held in self._held.values())

    @property
    def stored_bytes(self) -> int:
        """What these took on disk."""
        return sum(held.sums.stored_bytes for held in self._held.values())

    def choose(self, now_ns: int, free_bytes: int | None) -> list[SegmentRow]:
        """
        Return segments that are not to be kept, oldest first: the order in which they are to go.

        Their rows and files must be gone before the next call, and their channels touched.

        Args:
            now_ns: by the age clock.
            free_bytes: of the file system; ``None``: nobody can say.

        Returns:
            At most :data:`MAX_CHOSEN`.

        Raises:
            StoreError: the index cannot be read.
        """
        lacking_bytes = 0 if free_bytes is None else self._min_free_bytes - free_bytes
        try:
            with closing(index.connect(self._directory / "index.db", readonly=True)) as connection:
                self._look(connection)
                chosen = list(islice(self._spare(connection, now_ns), MAX_CHOSEN))
                if not chosen and lacking_bytes > 0:
                    crowding = oldest(self._segments(connection), lacking_bytes)
                    chosen = list(islice(crowding, MAX_CHOSEN))
                    self._tell(chosen, now_ns)
        except sqlite3.Error as error:
            raise StoreError(str(self._directory), f"cannot be read: {error}") from error
        return chosen

    def _look(self, connection: sqlite3.Connection) -> None:
        """Take the sums of what has changed."""
        if self._changed is None:
            self._held = {}
            self._changed = {row.name for row in index.channels(connection)}
        while self._changed:
            channel = self._changed.pop()
            try:
                self._look_at(connection, channel)
            except BaseException:
                self._changed.add(channel)
                raise

    def _look_at(self, connection: sqlite3.Connection, channel: str) -> None:
        rows = index.oldest_segments(connection, channel, 1)
        if rows:
            sums = Sums(*index.sealed_sums(connection, channel))
            self._held[channel] = _Held(sums, rows[0])
        else:
            self._held.pop(channel, None)

    def _spare(self, connection: sqlite3.Connection, now_ns: int) -> Iterator[SegmentRow]:
        return _by_age(
            spare(self._oldest_of(connection, held), held.sums, self._keeping(channel), now_ns)
            for channel, held in self._held.items()
        )

    def _segments(self, connection: sqlite3.Connection) -> list[Iterator[SegmentRow]]:
        return [self._oldest_of(connection, held) for held in self._held.values()]

    def _oldest_of(self, connection: sqlite3.Connection, held: _Held) -> Iterator[SegmentRow]:
        """Give the oldest segments of a channel; the index is asked for all but the first."""
        if self._may_go(held.oldest):
            yield held.oldest
            rows = index.oldest_segments(connection, held.oldest.channel, MAX_CHOSEN)
            yield from takewhile(self._may_go, rows[1:])

    def _tell(self, chosen: list[SegmentRow], now_ns: int) -> None:
        """Say in the log that room is scarce, once an hour."""
        if chosen and (self._told_ns is None or now_ns - self._told_ns >= HOUR_NS):
            self._told_ns = now_ns
            log.warning(
                "the file system has less than min_free = %s left: the oldest lines on disk go",
                format_size(self._min_free_bytes),
            )
