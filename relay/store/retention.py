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
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

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
    The time by which things grow old; never goes back.

    It follows the wall clock at 0 to 2 times the speed of the monotonic clock, so that an hour
    by which the wall clock is stepped takes at least an hour to matter. Only one thread may ask.

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
        self._ns = wall() if kept_ns is None else kept_ns

    def now_ns(self) -> int:
        """Return nanoseconds; near those since the epoch while nobody steps the wall clock."""
        now_ns = self._monotonic()
        fastest_ns = self._ns + 2 * (now_ns - self._asked_ns)
        self._asked_ns = now_ns
        self._ns = min(max(self._ns, self._wall()), fastest_ns)
        return self._ns


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
        entries: how many.
        length: bytes of their text.
        stored_bytes: what they take on disk.
    """

    entries: int = 0
    length: int = 0
    stored_bytes: int = 0

    def without(self, segment: SegmentRow) -> "Sums":
        """Return what the others hold."""
        return Sums(
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
    # Ids grow over all channels: their order is that of age, whatever clocks did.
    for segment in heapq.merge(*channels, key=lambda one: one.last_id):
        if lacking_bytes <= 0:
            return
        yield segment
        lacking_bytes -= segment.stored_bytes


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
    Chooses what goes; asking when there is nothing costs O(channels) and no SQL.

    Args:
        connection: to the index; used by who calls, in its thread.
        keeping: for a channel's name how much is kept of it.
        min_free_bytes: room that the file system should have.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        keeping: Callable[[str], Keeping],
        min_free_bytes: int = 0,
    ) -> None:
        self._connection = connection
        self._keeping = keeping
        self._min_free_bytes = min_free_bytes
        self._held: dict[str, _Held] = {}
        self._changed = {row.name for row in index.channels(connection)}
        self._told_ns: int | None = None

    def touch(self, channel: str) -> None:
        """Note that a channel's sealed segments have changed: more, fewer, compressed."""
        self._changed.add(channel)

    @property
    def stored_bytes(self) -> int:
        """What all sealed segments took on disk when it was last chosen."""
        return sum(held.sums.stored_bytes for held in self._held.values())

    def choose(self, now_ns: int, free_bytes: int | None) -> list[SegmentRow]:
        """
        Return segments that are not to be kept, in the order in which they are to go.

        Their rows and files must be gone before the next call, and their channels touched.

        Args:
            now_ns: by the age clock.
            free_bytes: of the file system; ``None``: nobody can say.

        Returns:
            At most :data:`MAX_CHOSEN`; where there are so many there may be more.
        """
        while self._changed:
            self._look(self._changed.pop())
        chosen = list(islice(self._spare(now_ns), MAX_CHOSEN))
        lacking_bytes = 0 if free_bytes is None else self._min_free_bytes - free_bytes
        if not chosen and lacking_bytes > 0:
            chosen = list(islice(oldest(self._segments(), lacking_bytes), MAX_CHOSEN))
            self._tell(chosen, now_ns)
        return chosen

    def _look(self, channel: str) -> None:
        rows = index.oldest_segments(self._connection, channel, 1)
        if rows:
            sums = Sums(*index.sealed_sums(self._connection, channel))
            self._held[channel] = _Held(sums, rows[0])
        else:
            self._held.pop(channel, None)

    def _spare(self, now_ns: int) -> Iterator[SegmentRow]:
        for channel, held in self._held.items():
            yield from spare(self._of(channel, held), held.sums, self._keeping(channel), now_ns)

    def _segments(self) -> list[Iterator[SegmentRow]]:
        return [self._of(channel, held) for channel, held in self._held.items()]

    def _of(self, channel: str, held: _Held) -> Iterator[SegmentRow]:
        """Give the oldest segments of a channel; the index is asked for all but the first."""
        yield held.oldest
        yield from index.oldest_segments(self._connection, channel, MAX_CHOSEN)[1:]

    def _tell(self, chosen: list[SegmentRow], now_ns: int) -> None:
        """Say in the log that room is scarce, once an hour."""
        if chosen and (self._told_ns is None or now_ns - self._told_ns >= HOUR_NS):
            self._told_ns = now_ns
            log.warning(
                "the file system has less than min_free = %s left: the oldest lines on disk go",
                format_size(self._min_free_bytes),
            )
