"""
How far a container's log has been read, so that nothing of it is lost or read twice.

Pure. The engine can tell no place in a log but by time, and times are not in order there: two
streams overtake each other by up to 56 ms (measured), and an engine whose log file is rotated
under load gives some records again. So a reader remembers the *keys* of the newest records, in
a window: what is older than the window was read, what is in it is recognised, the rest is new.
A log that is read again is asked for so many of its last lines that it begins with a record
that is known, or older than the window: what is not read yet comes after it, since a log's own
order never changes. What comes after the newest record and is older than the window was read too
(a rotation may repeat a whole file), unless the clock says that it was set back: the newest record
lies in the future then, and the log's order is the truth. So is a long line that was not ended
when it was read last: whatever its time, which is its first part's, the rest is new.

Measured on a real engine: 80 kills of a reader at 15,000 lines/s, with and without rotation,
lost and repeated nothing.
"""

import json
import sys
from array import array
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import lt
from zlib import adler32, crc32

from relay.entry import RECORD_KEY_BYTES
from relay.sources.docker_open import OpenLines
from relay.sources.docker_records import Records

__all__ = ["ContainerPosition", "Window", "hashes", "packed", "requests"]

LEAST_RECORDS = 4096
LEAST_NS = 1_000_000_000
"""A window has so many of the newest records, and all whose time is so near the newest's."""

MOST_RECORDS = 256 * 1024
"""Where it has so many, the second does not count: it would be 250,000 lines in one second."""

FUTURE_NS = 500_000_000
"""A newest record that is so much later than now was written before the clock was set back."""

NEVER_SET_BACK = NEVER_UNSURE = 1 << 63

CHUNK_RECORDS = 512

FIRST_TAIL = 1024
TAIL_FACTOR = 8
TAILS = 5
"""Of how many lines a log is asked for its end, at most 4,194,304, before it is asked by time,
for which the engine decodes it from its beginning."""


def hashes(records: Records) -> list[int]:
    """Return 64 bits of what makes each record itself, beside its time."""
    if not records.offsets:
        return [
            crc32(text, stream) << 32 | adler32(text)
            for text, stream in zip(records.texts, records.streams, strict=True)
        ]
    # An endless line may consist of equal pieces.
    seeds = [
        stream + 2 * records.offsets.get(index, 0) & 0xFFFFFFFF
        for index, stream in enumerate(records.streams)
    ]
    return [
        crc32(text, seed) << 32 | adler32(text)
        for text, seed in zip(records.texts, seeds, strict=True)
    ]


class _Chunk:
    """Some consecutive keys: two arrays, and a set where one was looked for."""

    __slots__ = ("_known", "hashes", "newest", "oldest", "times")

    def __init__(self, times: Sequence[int], keys: Sequence[int]) -> None:
        self.times = array("q", times)
        self.hashes = array("Q", keys)
        self.oldest = min(times)
        self.newest = max(times)
        self._known: set[int] | None = None

    def __len__(self) -> int:
        return len(self.times)

    def knows(self, time: int, key: int) -> bool:
        if not self.oldest <= time <= self.newest:
            return False
        if self._known is None:
            self._known = set(map(_mixed, self.times, self.hashes))
        return _mixed(time, key) in self._known

    def add(self, other: "_Chunk") -> None:
        self.times += other.times
        self.hashes += other.hashes
        self.oldest = min(self.oldest, other.oldest)
        self.newest = max(self.newest, other.newest)
        if self._known is not None:
            self._known.update(map(_mixed, other.times, other.hashes))


def _mixed(time: int, key: int) -> int:
    """One number of 64 bits for both; two of them in one window are never equal by chance."""
    return time ^ key


class Window:
    """
    The newest records of one container that were read.

    Args:
        lo: all records with earlier times were read, or are not wanted.
        hi: the greatest time that was read; 0: none was.
        keys: of the records from ``lo`` on that were read, 16 bytes each.
        open_lines: that were not read to their ends.
        unsure_ns: records from this time on may be missing before one that is known: entries
            wait for more lines of their stream, while those of the other go on.
    """

    def __init__(
        self,
        lo: int = 0,
        hi: int = 0,
        keys: bytes = b"",
        open_lines: Sequence[tuple[int, int, int]] = (),
        unsure_ns: int = NEVER_UNSURE,
    ) -> None:
        self.unsure_ns = unsure_ns
        self._sure_from_ns = hi + LEAST_NS
        self.lo = lo
        self.hi = hi
        self.open_lines = OpenLines(open_lines)
        self._chunks: deque[_Chunk] = deque()
        self._count = 0
        self._top = hi
        """The greatest time that is known: more than ``hi`` after the clock was set back."""
        self._has_passed = False
        """Whether what comes next in the answer is new, if it is not known."""
        for times, own in _unpacked(keys, lo):
            self._append(_Chunk(times, own))

    @property
    def is_empty(self) -> bool:
        """Whether nothing was read."""
        return not self._count

    @property
    def count(self) -> int:
        """How many records are known."""
        return self._count

    def begin_at(self, lo: int, keys: Sequence[tuple[int, int]]) -> None:
        """
        Begin where nothing was read.

        Args:
            lo: as for the window.
            keys: times and hashes of records that are not wanted.
        """
        self.lo = lo
        near = [(time, key) for time, key in keys if time >= lo]
        if near:
            self._add([time for time, _ in near], [key for _, key in near])

    def begin(self) -> None:
        """Expect the records of another answer, which may begin with what was read."""
        self._has_passed = False

    def reaches(self, time: int, key: int, *, is_last: bool = False) -> bool:
        """
        Tell whether nothing that is not read yet comes before the first record of an answer.

        Args:
            time: of the record.
            key: its hash.
            is_last: whether there is nothing before it any more.
        """
        if self.is_empty:
            return time <= self.lo
        is_sure = is_last or time < self.unsure_ns or self.is_first(time, key)
        return time < self.lo or (is_sure and self._knows(time, key))

    def settle(self) -> None:
        """Take note that all that was there was read again."""
        self.unsure_ns = NEVER_UNSURE

    def is_new(self, time: int, key: int, *, is_late: bool) -> bool:
        """Tell whether a record was not read yet, as :meth:`take` would, but for set clocks."""
        return (is_late or time >= self.lo) and not self._knows(time, key)

    def is_first(self, time: int, key: int) -> bool:
        """Tell whether a record is where the log begins: nothing was read, or left, before it."""
        if self.lo or self.is_empty:
            return False
        first = self._chunks[0]
        return (first.times[0], first.hashes[0]) == (time, key)

    def take(
        self,
        times: Sequence[int],
        keys: Sequence[int],
        now_ns: int = NEVER_SET_BACK,
        late: Collection[int] = (),
    ) -> Sequence[int]:
        """
        Tell new records from those that were read, and count them as read.

        Cost of records in order is a look at all at once.

        Args:
            times: of consecutive records, in the log's order.
            keys: their hashes.
            now_ns: by our own clock, which is the engine's too on one host.
            late: indexes of records that are new if they are not known, whatever their time.

        Returns:
            The indexes of the new ones.
        """
        if times[0] > max(self._top, self.lo - 1) and all(map(lt, times, islice(times, 1, None))):
            self._has_passed = True
            self._add(times, keys)
            return range(len(times))
        indexes: list[int] = []
        stop = 0
        while stop < len(times):
            fresh, stop = self._new(times, keys, stop, now_ns, late)
            if fresh:
                self._add([times[index] for index in fresh], [keys[index] for index in fresh])
                indexes += fresh
            if stop < len(times):
                # What is a little older than the first may come after it.
                self.hi = times[stop]
                self.lo = self.hi - LEAST_NS
        return indexes

    def _new(
        self,
        times: Sequence[int],
        keys: Sequence[int],
        start: int,
        now_ns: int,
        late: Collection[int],
    ) -> tuple[list[int], int]:
        """Return which are new up to the first before which the clock was set back, and that."""
        fresh: set[int] = set()
        indexes: list[int] = []
        set_back = self.hi > now_ns + FUTURE_NS
        for index in range(start, len(times)):
            time, key = times[index], keys[index]
            is_old = time < self.lo and index not in late
            if is_old and not (set_back and self._has_passed and time < self.hi - LEAST_NS):
                continue
            mixed = _mixed(time, key)
            if mixed in fresh or (time <= self._top and self._knows(time, key)):
                self._has_passed = self._has_passed or time >= self.hi
                continue
            if is_old:
                return indexes, index
            self._has_passed = True
            fresh.add(mixed)
            indexes.append(index)
        return indexes, len(times)

    def _add(self, times: Sequence[int], keys: Sequence[int]) -> None:
        chunk = _Chunk(times, keys)
        self.hi = max(self.hi, chunk.newest)
        if chunk.newest > self._sure_from_ns:
            self.settle()
        self._append(chunk)
        self._forget()

    def _knows(self, time: int, key: int) -> bool:
        return any(chunk.knows(time, key) for chunk in reversed(self._chunks))

    def _append(self, chunk: _Chunk) -> None:
        self._count += len(chunk)
        self._top = max(self._top, chunk.newest)
        last = self._chunks[-1] if self._chunks else None
        is_small = last is not None and len(last) + len(chunk) <= CHUNK_RECORDS
        # What comes after the clock was set back is not mixed with what came before.
        if last is not None and is_small and chunk.newest >= last.oldest:
            last.add(chunk)
        else:
            self._chunks.append(chunk)

    def _forget(self) -> None:
        """Let go of the oldest chunks that are not needed any more."""
        while self._chunks:
            oldest = self._chunks[0]
            left = self._count - len(oldest)
            is_near = self.hi - LEAST_NS <= oldest.newest <= self.hi and left <= MOST_RECORDS
            if left < LEAST_RECORDS or is_near:
                break
            self._chunks.popleft()
            self._count = left
            # What the clock said before it was set back is no word on what is read since.
            if oldest.newest <= self.hi:
                self.lo = max(self.lo, oldest.newest + 1)
            else:
                self._top = max(chunk.newest for chunk in self._chunks)


def packed(times: Sequence[int], keys: Sequence[int]) -> bytes:
    """Return keys of records as a position has them."""
    both = array("Q", bytes(RECORD_KEY_BYTES * len(times)))
    both[::2] = array("Q", times)
    both[1::2] = array("Q", keys)
    if sys.byteorder == "little":
        both.byteswap()
    return both.tobytes()


def _unpacked(keys: bytes, lo: int) -> Iterator[tuple[list[int], list[int]]]:
    """Yield times and hashes of what is not older than ``lo``, some at a time."""
    both = array("Q", keys[: len(keys) // RECORD_KEY_BYTES * RECORD_KEY_BYTES])
    if sys.byteorder == "little":
        both.byteswap()
    pairs = [(time, key) for time, key in zip(both[::2], both[1::2], strict=True) if time >= lo]
    for start in range(0, len(pairs), CHUNK_RECORDS):
        some = pairs[start : start + CHUNK_RECORDS]
        yield [time for time, _ in some], [key for _, key in some]


def requests(window: Window) -> Iterator[Mapping[str, str]]:
    """
    Yield how to ask for the log again: each for more of it than the one before.

    The first whose answer begins with a record that the window reaches is the right one. To the
    last one there is nothing more to be had: where it does not begin so, records are gone.
    """
    if window.is_empty and not window.lo:
        yield {"tail": "all"}
        return
    tail = FIRST_TAIL
    for _ in range(TAILS):
        yield {"tail": str(tail)}
        tail *= TAIL_FACTOR
    oldest = window.open_lines.oldest_ns
    yield {"tail": "all", **_since(window.lo if oldest is None else min(oldest, window.lo))}


def _since(time: int) -> dict[str, str]:
    # As text: a float would lose the nanoseconds, and with them a line.
    return {"since": f"{time // 1_000_000_000}.{time % 1_000_000_000:09}"} if time else {}


@dataclass(frozen=True, slots=True)
class ContainerPosition:
    """
    Where the reader of one container stands, beside the keys of its records.

    Args:
        lo: as in :class:`Window`.
        hi: as in :class:`Window`.
        name: of the container.
        channel: of its lines.
        run: that its lines are of; ``None``: of none yet.
        started_ns: when that run started.
        is_over: whether the run's end was published, after its last line.
        open_lines: as in :class:`Window`.
        unsure_ns: as in :class:`Window`.
    """

    lo: int
    hi: int
    name: str
    channel: str
    run: str | None = None
    started_ns: int = 0
    is_over: bool = False
    open_lines: Sequence[tuple[int, int, int]] = ()
    unsure_ns: int = NEVER_UNSURE

    def dump(self) -> str:
        """Return it as small JSON."""
        return json.dumps(
            {
                "lo": self.lo,
                "hi": self.hi,
                "name": self.name,
                "channel": self.channel,
                "run": self.run,
                "started": self.started_ns,
                "over": self.is_over,
                "open": self.open_lines,
                "unsure": self.unsure_ns,
            }
        )

    @classmethod
    def parse(cls, text: str) -> "ContainerPosition | None":
        """Return what :meth:`dump` wrote; ``None`` for anything else."""
        try:
            values = json.loads(text)
            own = cls(
                int(values["lo"]),
                int(values["hi"]),
                str(values["name"]),
                str(values["channel"]),
                None if values["run"] is None else str(values["run"]),
                int(values["started"]),
                bool(values["over"]),
                # Positions of the first releases have neither.
                [(int(a), int(b), int(c)) for a, b, c in values.get("open", ())],
                int(values.get("unsure", NEVER_UNSURE)),
            )
        except (ValueError, TypeError, KeyError):
            return None
        return own
