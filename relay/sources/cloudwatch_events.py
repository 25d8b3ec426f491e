"""
Events of CloudWatch Logs as plain tuples: a page of them is taken apart in a few passes.

Pure. An event's key is what recognises it when it comes again: 64 bits made of its id, which
AWS gives once and tells in a page and in a pushed record alike.
"""

import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import accumulate
from operator import itemgetter
from typing import Any, Final

__all__ = [
    "KEY",
    "MESSAGE",
    "STREAM",
    "TIME",
    "Event",
    "in_order",
    "joined_keys",
    "key_of",
    "of_page",
    "pack_keys",
    "turns",
    "unpack_keys",
]

Event = tuple[int, int, int, str, str]
"""When it happened and when AWS had it (ms since the epoch), its key, its log stream, its text."""

TIME: Final = 0
INGESTED: Final = 1
KEY: Final = 2
STREAM: Final = 3
MESSAGE: Final = 4
"""Places in an :data:`Event`."""

PRIME = 11400714785074694791
"""Below 2**64. An id is a number of 56 digits made of fields: the rest of a division by a prime
that is near no power of two mixes them all, in 0.2 µs."""

_by_time = itemgetter(TIME, INGESTED)
"""As AWS orders them; those that are equal stay as they came."""


def key_of(event_id: str) -> int:
    """Return the 64 bits that stand for an event's id."""
    try:
        return int(event_id) % PRIME
    except ValueError:
        # What is not AWS's own number is hashed as text.
        return int.from_bytes(blake2b(event_id.encode(errors="replace"), digest_size=8).digest())


def of_page(page: Mapping[str, Any]) -> list[Event]:
    """Return the events of a page that ``FilterLogEvents`` answered, in its order."""
    events = page.get("events", ())
    ids = [event["eventId"] for event in events]
    try:
        keys = [int(one) % PRIME for one in ids]
    except ValueError:
        keys = [key_of(one) for one in ids]
    return [
        (
            event["timestamp"],
            event.get("ingestionTime", 0),
            key,
            event["logStreamName"],
            event["message"],
        )
        for event, key in zip(events, keys, strict=True)
    ]


def in_order(events: list[Event]) -> list[Event]:
    """Return events ordered by time: as AWS gives them, where it has ordered them already."""
    times = [event[TIME] for event in events]
    return events if times == sorted(times) else sorted(events, key=_by_time)


def pack_keys(times: Iterable[int], keys: Iterable[int]) -> bytes:
    """
    Return record keys as a position has them.

    Args:
        times: ms since the epoch.
        keys: of events, one for each time.
    """
    first, second = array("Q", times), array("Q", keys)
    numbers = array("Q", bytes(16 * len(first)))
    numbers[::2], numbers[1::2] = first, second
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers.tobytes()


def unpack_keys(packed: bytes) -> dict[int, int]:
    """Return the times of record keys, by key, in their order."""
    numbers = array("Q", packed)
    if sys.byteorder == "little":
        numbers.byteswap()
    return dict(zip(numbers[1::2], numbers[::2], strict=True))


def joined_keys(events: Sequence[Event], from_ms: int) -> bytes:
    """
    Return the record keys of events.

    Args:
        events: ordered by time.
        from_ms: those that happened earlier are left out.
    """
    start = bisect_left(events, from_ms, key=itemgetter(TIME))
    kept = events[start:]
    return pack_keys([event[TIME] for event in kept], [event[KEY] for event in kept])


def turns(events: Sequence[Event], most_characters: int) -> Iterator[Sequence[Event]]:
    """Cut events into what is published at once: of about so many characters each."""
    ends = list(accumulate([len(event[MESSAGE]) for event in events]))
    start = 0
    while start < len(events):
        before = ends[start - 1] if start else 0
        stop = min(len(events), bisect_left(ends, before + most_characters, start) + 1)
        yield events[start:stop]
        start = stop
