"""
What has been read of one log group, and from when on it must be asked for again.

Pure: the time comes in. Events arrive late, so each time is asked for again until it is
``lookback`` old, and events that come again are known by their keys. The rules:

* ``from_ms`` is where asking begins: nothing before it is still to come. It never goes back, but
  once where reading begins now: the first answer tells what is now by AWS's clock.
  It moves on only with a *sweep*, a poll that asked for everything from it on, and then to
  ``lookback`` before the sweep began: what arrived behind the sweep's back is later than that.
* A log group that AWS is late with must not cost events: where the newest event is older than now,
  ``lookback`` counts from it, for ``slack`` at most. Nor must a clock that runs ahead: a poll
  began when it did by AWS's clock.
* While a sweep needs one page, every poll is one. Where it needs more, short polls of the last
  seconds stand between sweeps and between their pages, so that new events need not wait for old
  ones to be read again.
* Keys are kept from ``from_ms`` on; older events are not asked for. They lie in slots of an
  eighth of the lookback, by their events' time, so that forgetting costs nothing.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from relay.entry import Position
from relay.sources.cloudwatch_events import KEY, TIME, Event, joined_keys, unpack_keys

__all__ = ["Poll", "Window"]

SHORT_MS = 10_000
"""How far back a short poll asks: most events are readable within seconds."""

SLOTS = 8

SWEEP_SHARE = 4
"""Sweeps of many pages take at most about one part in so many of the time."""


@dataclass(frozen=True, slots=True)
class Poll:
    """
    One way through a log group's newest events.

    Args:
        start_ms: events from this time on are asked for.
        begun_ms: when, by our clock, or by AWS's where ours is ahead of it.
        is_sweep: whether that is all that may still come.
        pages: how many have come.
    """

    start_ms: int
    begun_ms: int
    is_sweep: bool
    pages: int = 0

    def turned(self, ahead_ms: int = 0) -> "Poll":
        """
        Return it with one more page.

        Args:
            ahead_ms: how much further our clock is ahead than was known, as the first page tells.
        """
        ahead_ms = 0 if self.pages else ahead_ms
        return replace(self, pages=self.pages + 1, begun_ms=self.begun_ms - ahead_ms)


class Window:
    """
    The events of one log group that may come again.

    Args:
        from_ms: where to begin, in ms since the epoch.
        lookback_ms: how late an event may be.
        slack_ms: how far behind our clock the newest event may lie and still count as now.
        packed_keys: record keys of what was read before.
        is_now: whether ``from_ms`` is the present by our clock, which may be ahead of AWS's.
    """

    def __init__(
        self,
        from_ms: int,
        lookback_ms: int,
        slack_ms: int = 0,
        packed_keys: bytes = b"",
        *,
        is_now: bool = False,
    ) -> None:
        self.from_ms = from_ms
        self._is_now = is_now
        self._lookback_ms = lookback_ms
        self._slack_ms = slack_ms
        self._slot_ms = max(1, lookback_ms // SLOTS)
        self._slots: defaultdict[int, set[int]] = defaultdict(set)
        self._newest_ms = from_ms
        for key, time in unpack_keys(packed_keys).items():
            self._slots[time // self._slot_ms].add(key)
            self._newest_ms = max(self._newest_ms, time)
        self._last_begun_ms = from_ms
        self._next_sweep_ms = 0
        self._is_long = False
        self._move(from_ms)

    @classmethod
    def restored(cls, position: Position, lookback_ms: int, slack_ms: int) -> "Window":
        """Return the window that a position tells of."""
        from_ms = int(json.loads(position.value)["from"])
        return cls(from_ms, lookback_ms, slack_ms, position.record_keys)

    def __len__(self) -> int:
        """How many events are known."""
        return sum(map(len, self._slots.values()))

    def begin(self, now_ms: int) -> Poll:
        """Return what to ask for now."""
        if not self._is_long or now_ms >= self._next_sweep_ms:
            return Poll(self.from_ms, now_ms, is_sweep=True)
        return self._short(now_ms)

    def meanwhile(self, poll: Poll, now_ms: int) -> Poll | None:
        """
        Return what to ask for between the pages of a poll; ``None``: for nothing.

        A sweep that catches up is not to be torn apart: it gives the newest at its end.
        """
        is_catching_up = poll.begun_ms - self._last_begun_ms > SHORT_MS
        if not poll.is_sweep or not self._next_sweep_ms or is_catching_up:
            return None
        return self._short(now_ms)

    def _short(self, now_ms: int) -> Poll:
        last_ms = self._reference(self._last_begun_ms)
        return Poll(max(self.from_ms, last_ms - SHORT_MS), now_ms, is_sweep=False)

    def note_clock(self, ahead_ms: int) -> None:
        """Take note of an answer, which told how far our clock is ahead of AWS's."""
        if self._is_now:
            self.from_ms -= ahead_ms
            self._is_now = False

    def _reference(self, begun_ms: int) -> int:
        """Return what counts as now for a poll that began at some time."""
        return min(begun_ms, max(self._newest_ms, begun_ms - self._slack_ms))

    def new(self, events: Sequence[Event]) -> list[Event]:
        """Return the events that are not known, each once, and know them from now on."""
        fresh: list[Event] = []
        for slot, some in self._by_slot(events):
            known = self._slots[slot]
            keys = {event[KEY] for event in some}
            if len(keys) == len(some) and known.isdisjoint(keys):
                fresh += some
                known |= keys
                continue
            for event in some:
                if event[KEY] not in known:
                    known.add(event[KEY])
                    fresh.append(event)
        return fresh

    def _knows(self, event: Event) -> bool:
        return event[KEY] in self._slots.get(event[TIME] // self._slot_ms, ())

    def _by_slot(self, events: Sequence[Event]) -> Iterator[tuple[int, Sequence[Event]]]:
        """Cut events where their slot changes: seldom, since AWS orders them."""
        numbers = [event[TIME] // self._slot_ms for event in events]
        start = 0
        while start < len(events):
            slot = numbers[start]
            # Most often all, or all that are left, are of one slot.
            stop = start + 1
            if numbers[-1] == slot and numbers.count(slot) == len(events) - start:
                stop = len(events)
            while stop < len(events) and numbers[stop] == slot:
                stop += 1
            yield slot, events[start:stop]
            start = stop

    def unread(self, events: Sequence[Event]) -> None:
        """Take back events that could not be handed on."""
        for event in events:
            self._slots[event[TIME] // self._slot_ms].discard(event[KEY])

    def position(self, poll: Poll, events: Sequence[Event]) -> Position:
        """
        Return where reading stands once some events are published.

        Args:
            poll: that they came with.
            events: new ones, ordered by time; all that AWS had before them came earlier.
        """
        from_ms = self.from_ms
        if poll.is_sweep and events:
            last_ms = min(events[-1][TIME], poll.begun_ms)
            from_ms = max(from_ms, last_ms - self._lookback_ms)
        return _position(from_ms, joined_keys(events, from_ms))

    def settle(self, position: Position, events: Sequence[Event]) -> None:
        """Take note that events are published with their position, whatever was taken back."""
        if events:
            if not self._knows(events[0]):
                self.new(events)
            self._newest_ms = max(self._newest_ms, events[-1][TIME])
        self._move(position.keys_from)

    def end(self, poll: Poll, now_ms: int) -> None:
        """Take note that a poll has come to its last page."""
        self._last_begun_ms = poll.begun_ms
        if not poll.is_sweep:
            return
        self._move(self._reference(poll.begun_ms) - self._lookback_ms)
        took_ms = max(0, now_ms - poll.begun_ms)
        self._is_long = poll.pages > 1
        self._next_sweep_ms = now_ms + max(SHORT_MS // 2, SWEEP_SHARE * took_ms)

    def here(self) -> Position:
        """Return where reading stands between polls."""
        return _position(self.from_ms)

    def _move(self, from_ms: int) -> None:
        self.from_ms = max(self.from_ms, from_ms)
        least = self.from_ms // self._slot_ms
        for slot in [slot for slot in self._slots if slot < least]:
            del self._slots[slot]


def _position(from_ms: int, keys: bytes = b"") -> Position:
    return Position(json.dumps({"from": from_ms}), keys, from_ms)
