"""
What AWS pushed to one channel lately, so that it is recognised when it comes again.

Pure. An event is known by its key, with the time of its coming, since AWS repeats a delivery for a
day at most, however old its events are. A record that came whole is known by one key besides, made
of its events' ids: AWS repeats records as they were, and may have sent more events than are known
before it does.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import repeat

from relay.entry import Position
from relay.inlet import LogRecord
from relay.sources.cloudwatch_events import pack_keys, unpack_keys

__all__ = [
    "KEPT_MS",
    "MOST_EVENTS",
    "MOST_RECORDS",
    "RECORDS",
    "Known",
    "Repeats",
    "record_key",
    "restored",
]

KEPT_MS = 86_400_000
"""For how long what came is known: AWS tries for 24 hours at most."""

MOST_EVENTS = 262_144
"""Of a channel that are known: 30 MB."""

MOST_RECORDS = 65_536
"""Of a channel that are known: 8 MB."""

RECORDS = "records/"
"""Stands before a channel in the name of the reader whose position has the keys of its records."""


def record_key(record: LogRecord) -> int:
    """Return the 64 bits that stand for all events of a record."""
    ids = "\n".join([name for _, name, _ in record.events])
    return int.from_bytes(blake2b(ids.encode(errors="replace"), digest_size=8).digest())


class Repeats:
    """
    Keys that came lately, in the order of their coming.

    Args:
        most: how many are known.
        packed_keys: record keys of what came before, each with the time of its coming.
    """

    def __init__(self, most: int, packed_keys: bytes = b"") -> None:
        self._most = most
        known = unpack_keys(packed_keys)
        self._known = set(known)
        # Beside the set: the first of a dict is the dearer to find the more have left it.
        self._keys = deque(known)
        self._times = deque(known.values())

    def __len__(self) -> int:
        """How many are known."""
        return len(self._keys)

    def __contains__(self, key: int) -> bool:
        """Tell whether a key is known."""
        return key in self._known

    def position(self, keys: Sequence[int], now_ms: int) -> Position:
        """Return what is recorded with new keys, and from when on it is kept."""
        # A clock that was set back must not let these be forgotten.
        oldest_ms = min(self._times[0] if self._times else now_ms, now_ms)
        packed = pack_keys([now_ms] * len(keys), keys)
        return Position("pushed", packed, max(oldest_ms, now_ms - KEPT_MS, 0))

    @property
    def newest_ms(self) -> int:
        """When the last of them came; 0: none did."""
        return self._times[-1] if self._times else 0

    def settle(self, keys: Sequence[int], now_ms: int) -> None:
        """Know new keys from now on, and forget the oldest."""
        self._known.update(keys)
        self._keys.extend(keys)
        self._times.extend(repeat(now_ms, len(keys)))
        old_ms = now_ms - KEPT_MS
        while len(self._keys) > self._most or (self._times and self._times[0] < old_ms):
            self._times.popleft()
            self._known.discard(self._keys.popleft())


class Known:
    """
    What came to one channel lately.

    Args:
        events: packed keys of events that came before.
        records: packed keys of records.
    """

    def __init__(self, events: bytes = b"", records: bytes = b"") -> None:
        self.events = Repeats(MOST_EVENTS, events)
        self.records = Repeats(MOST_RECORDS, records)

    def __len__(self) -> int:
        """How much is known."""
        return len(self.events) + len(self.records)

    @property
    def newest_ms(self) -> int:
        """When the last of it came; 0: nothing did."""
        return self.events.newest_ms

    def is_over(self, now_ms: int) -> bool:
        """Tell whether nothing came for so long that none of it comes again."""
        return self.newest_ms < now_ms - KEPT_MS

    def settle(self, events: Sequence[int], records: Sequence[int], now_ms: int) -> None:
        """Know keys of new events and whole records from now on, and forget the oldest."""
        self.events.settle(events, now_ms)
        self.records.settle(records, now_ms)


def restored(positions: Mapping[str, Position]) -> Iterator[tuple[str, Known]]:
    """Give what an earlier life knew of each channel, the newest last."""
    found = [
        (reader, Known(one.record_keys, _keys(positions.get(RECORDS + reader))))
        for reader, one in positions.items()
        if not reader.startswith(RECORDS)
    ]
    yield from sorted(found, key=lambda pair: pair[1].newest_ms)


def _keys(position: Position | None) -> bytes:
    return b"" if position is None else position.record_keys
