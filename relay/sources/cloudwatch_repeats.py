"""
What AWS pushed to one channel lately, so that it is recognised when it comes again.

Pure. An event is known by its key, with the time of its coming, since AWS repeats a delivery for a
day at most, however old its events are. Keys lie in the order of their coming, so that forgetting
the oldest costs nothing.
"""

from collections.abc import Iterable, Sequence

from relay.entry import Position
from relay.sources.cloudwatch_events import KEY, Event, pack_keys, unpack_keys

__all__ = ["KEPT_MS", "MOST_KEPT", "Repeats"]

KEPT_MS = 86_400_000
"""For how long what came is known: AWS tries for 24 hours at most."""

MOST_KEPT = 262_144
"""Events of a channel that are known: 25 MB."""


class Repeats:
    """
    What came to one channel lately.

    Args:
        packed_keys: record keys of what came to it before, each with the time of its coming.
    """

    def __init__(self, packed_keys: bytes = b"") -> None:
        self._known = unpack_keys(packed_keys)

    def __len__(self) -> int:
        """How many events are known."""
        return len(self._known)

    def new(self, events: Iterable[Event]) -> list[Event]:
        """Return the events that are not known, each once."""
        known = self._known
        return list({event[KEY]: event for event in events if event[KEY] not in known}.values())

    def position(self, events: Sequence[Event], now_ms: int) -> Position:
        """Return what is recorded with events, and from when on it is kept."""
        keys = pack_keys([now_ms] * len(events), [event[KEY] for event in events])
        # A clock that was set back must not let these be forgotten.
        oldest_ms = min(next(iter(self._known.values()), now_ms), now_ms)
        return Position("pushed", keys, max(oldest_ms, now_ms - KEPT_MS, 0))

    def is_over(self, now_ms: int) -> bool:
        """Tell whether nothing came for so long that none of it comes again."""
        return next(reversed(self._known.values()), 0) < now_ms - KEPT_MS

    def settle(self, events: Sequence[Event], now_ms: int) -> None:
        """Know events from now on, and forget the oldest."""
        known = self._known
        known.update((event[KEY], now_ms) for event in events)
        old_ms = now_ms - KEPT_MS
        while len(known) > MOST_KEPT or (known and next(iter(known.values())) < old_ms):
            del known[next(iter(known))]
