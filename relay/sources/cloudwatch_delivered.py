"""
A delivery of AWS on its way: what of it is new, and what is recorded with it.

Pure.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from relay.entry import Batch
from relay.inlet import LogRecord
from relay.sources.cloudwatch_events import KEY, Event, key_of
from relay.sources.cloudwatch_repeats import RECORDS, Known

__all__ = ["Delivered", "in_pieces"]

PIECE_EVENTS = 1000
"""That are looked at before others have their turn."""

EVENT_BYTES = 32
"""That an event takes besides its text, about."""


def in_pieces(record: LogRecord, now_ms: int) -> Iterator[list[Event]]:
    """Give a record's events, ordered by time, some at a time."""
    stream, told = record.log_stream or "", record.events
    times = [time_ms for time_ms, _, _ in told if time_ms is not None]
    if times != sorted(times):
        told = sorted(told, key=lambda event: event[0] or 0)
    for start in range(0, len(told), PIECE_EVENTS):
        yield [
            (now_ms if time_ms is None else time_ms, 0, key_of(name), stream, text)
            for time_ms, name, text in told[start : start + PIECE_EVENTS]
        ]


class Delivered:
    """
    Records on their way.

    Args:
        source: that takes them.
        channel: to which.
        known: what came before.
        now_ms: when these came.
    """

    def __init__(self, source: str, channel: str, known: Known, now_ms: int) -> None:
        self.channel = channel
        self.now_ms = now_ms
        self.size = 0
        """Bytes of what is to be published next, about."""
        self._source = source
        self._known = known
        self._batches: list[Batch] = []
        self._keys: list[int] = []
        self._records: list[int] = []
        self._seen: set[int] = set()

    def has_record(self, key: int) -> bool:
        """Tell whether a whole record came before."""
        return key in self._known.records or key in self._seen

    def note_record(self, key: int) -> None:
        """Take note that all of a record was added."""
        self._records.append(key)
        self._seen.add(key)

    def new(self, events: Sequence[Event]) -> Sequence[Event]:
        """Return the events that are not known, each once."""
        known, seen = self._known.events, self._seen
        new = {
            event[KEY]: event
            for event in events
            if event[KEY] not in known and event[KEY] not in seen
        }
        seen.update(new)
        return [*new.values()]

    def add(self, events: Sequence[Event], batches: Sequence[Batch]) -> None:
        """Add events and what was made of them."""
        self._keys += [event[KEY] for event in events]
        self._batches += batches
        self.size += sum(len(batch.lines.text) for batch in batches) + EVENT_BYTES * len(events)

    @property
    def is_due(self) -> bool:
        """Whether there is anything to be published."""
        return bool(self._keys or self._records)

    def pass_on(self) -> tuple[list[Batch], Callable[[], None]]:
        """Return what was added, with its positions, and what is to be done once it is visible."""
        keys, records, batches, known = self._keys, self._records, self._batches, self._known
        if keys:
            position = known.events.position(keys, self.now_ms)
            batches[-1] = replace(batches[-1], position=position)
        if records:
            position = known.records.position(records, self.now_ms)
            reader = RECORDS + self.channel
            batches.append(Batch(self._source, self.channel, reader=reader, position=position))
        self._keys, self._records, self._batches, self.size = [], [], [], 0
        return batches, partial(known.settle, keys, records, self.now_ms)
