"""
Lines of a container's log of which the end was not read yet.

Pure. The engine gives all parts of a long line the time of the first, however late the last one
comes: by its time a line may be older than all that is known, when at last it is read.
"""

from collections.abc import Iterable, Sequence

from relay.sources.docker_records import Records

__all__ = ["OpenLines"]

WHOLE = 1 << 62
"""More bytes than a line has."""


class OpenLines:
    """
    The last long line of each stream, and how much of it was taken.

    Args:
        lines: of each its stream, its time, and of how many bytes pieces were taken.
    """

    def __init__(self, lines: Iterable[Sequence[int]] = ()) -> None:
        self._taken = {stream: (time, taken) for stream, time, taken in lines}

    def values(self) -> list[tuple[int, int, int]]:
        """Return what makes it again."""
        return [(stream, time, taken) for stream, (time, taken) in self._taken.items()]

    @property
    def oldest_ns(self) -> int | None:
        """The least time of a line that is open; ``None``: none is."""
        return min((time for time, taken in self._taken.values() if taken < WHOLE), default=None)

    def see(self, lines: Iterable[tuple[int, int]], lo: int) -> None:
        """
        Take note of lines that have begun, before records that are read with them are taken.

        Args:
            lines: of each its stream and its time.
            lo: what is earlier was read, or is not wanted.
        """
        for stream, time in lines:
            # A log that is read again has earlier ones, which were taken.
            if time >= lo and time > self._taken.get(stream, (-1, 0))[0]:
                self._taken[stream] = time, 0

    def late(self, records: Records) -> frozenset[int]:
        """Return the indexes of records that are of open lines and were not taken yet."""
        late: set[int] = set()
        for stream, (time, taken) in self._taken.items():
            if taken < WHOLE and time in records.times:
                late |= {
                    index
                    for index, one in enumerate(records.times)
                    if one == time
                    and records.streams[index] == stream
                    and _stop(records, index) > taken
                }
        return frozenset(late)

    def take(self, records: Records) -> None:
        """Take note of records that were taken."""
        for stream, (time, taken) in self._taken.items():
            if taken == WHOLE or time not in records.times:
                continue
            for index, one in enumerate(records.times):
                if one == time and records.streams[index] == stream:
                    stop = _stop(records, index) if index in records.offsets else WHOLE
                    taken = max(taken, stop)
            self._taken[stream] = time, taken


def _stop(records: Records, index: int) -> int:
    return records.offsets.get(index, 0) + len(records.texts[index]) - 1
