"""
When the engine may have skipped a file of a log that it follows for a reader.

Pure. An engine that rotates a log tells who follows it of one rotation; where two come while the
follower is behind, it goes on with the newest file, and what lies between is left out without a
word (moby, daemon/logger/loggerutils: ``followLogs`` of 20.10, which may also wait for a rotation
that has been, and say nothing until the next; ``follow.Do`` since 23, which warns in the engine's
own log alone). All of it is still there to be asked for, if it is asked soon.

What was skipped filled a file, between the last record before and the first one after. So a jump
of the records' time, or a silence, is in doubt if in so long a time a file could have been
written: at the rate at which the container writes, many times over, since it may write faster
than was seen; but no faster than any engine can.
"""

from collections.abc import Sequence
from operator import sub

__all__ = ["Skips"]

ENGINE_BYTES_PER_SECOND = 256 * 1024 * 1024
"""No engine writes a log faster."""

FASTER = 8
"""So many times faster than was seen may be written what was not seen."""

RATED_BYTES = 64 * 1024
RATED_NS = 100_000_000
"""A rate is taken over so many bytes, or so long a time, whichever is first."""

LEAST_RATED_NS = 1_000_000

APART_BYTES = 16 * 1024
"""So many bytes beside a jump are a rate by themselves."""

HALF_LIFE_NS = 10_000_000_000
"""In which the greatest rate that was seen counts half."""

QUIET_SECONDS = 1.0
"""A shorter silence is not looked into, unless a record ends it."""

MOST_QUIET_SECONDS = 3600.0


class Skips:
    """
    What one answer that follows a log may have left out.

    Args:
        file_bytes: at how many bytes the engine begins another file; ``None``: at none.
    """

    def __init__(self, file_bytes: int | None) -> None:
        self._file_bytes = file_bytes
        self._rate = 0.0
        """Bytes a nanosecond, the greatest of late."""
        self._bytes = 0
        self._since_ns = 0
        self._is_silent = file_bytes is not None
        """Whether a silence now is still to be looked into."""
        self._has_begun = False

    def first_doubt(self, times: Sequence[int], size: int, hi: int) -> int | None:
        """
        Return before which record something may have been skipped.

        Args:
            times: of records in the order of the answer.
            size: how many bytes they were.
            hi: the greatest time before, 0 if there was none; records up to it are no news.
        """
        if self._file_bytes is None:
            return None
        newest = max(times)
        self._is_silent = self._has_begun = True
        self._count(min(times), newest, size)
        hi = hi or times[0]
        # However fast was written, a shorter time has no room for a file.
        if newest - hi < self._file_bytes * 1_000_000_000 / ENGINE_BYTES_PER_SECOND:
            return None
        jumps = list(map(sub, times, [hi, *times[:-1]]))
        greatest = max(jumps)
        at = jumps.index(greatest)
        self._count_apart(times[:at], size * at // len(times))
        self._count_apart(times[at:], size - size * at // len(times))
        wanted = self._file_ns
        if greatest < wanted:
            return None
        for index, time in enumerate(times):
            if time - hi >= wanted:
                return index
            hi = max(hi, time)
        return None

    def _count(self, oldest: int, newest: int, size: int) -> None:
        """Take note of the rate at which the container writes."""
        # So many at once came in a burst, whatever was before it.
        if not self._since_ns or newest < self._since_ns or size >= RATED_BYTES:
            self._fade(oldest - self._since_ns)
            self._since_ns, self._bytes = oldest, 0
        self._bytes += size
        elapsed = newest - self._since_ns
        self._rate = max(self._rate, self._bytes / max(elapsed, RATED_NS))
        if elapsed >= RATED_NS or self._bytes >= RATED_BYTES:
            self._fade(elapsed)
            self._rate = max(self._rate, self._bytes / max(elapsed, LEAST_RATED_NS))
            self._since_ns, self._bytes = newest, 0

    def _count_apart(self, times: Sequence[int], size: int) -> None:
        """Take note of the rate on one side of a jump, in whose midst it would seem less."""
        if size >= APART_BYTES:
            least = LEAST_RATED_NS if size >= RATED_BYTES else RATED_NS
            self._rate = max(self._rate, size / max(max(times) - min(times), least))

    def _fade(self, elapsed: int) -> None:
        self._rate *= 0.5 ** (max(0, elapsed) / HALF_LIFE_NS)

    @property
    def _file_ns(self) -> float:
        """In how many nanoseconds a file may have been written."""
        assert self._file_bytes is not None
        most = ENGINE_BYTES_PER_SECOND / 1_000_000_000
        return self._file_bytes / min(most, max(self._rate * FASTER, 1e-9))

    @property
    def quiet_seconds(self) -> float | None:
        """After how long a silence from now on it is to be looked into; ``None``: after none."""
        if self._file_bytes is None or not self._is_silent:
            return None
        if not self._has_begun:
            return QUIET_SECONDS
        return min(max(QUIET_SECONDS, self._file_ns / 1_000_000_000), MOST_QUIET_SECONDS)

    def hush(self) -> None:
        """Take note that the silence was looked into: it goes on until a record comes."""
        self._is_silent = False
