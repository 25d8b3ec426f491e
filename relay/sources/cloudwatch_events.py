"""
Events of CloudWatch Logs as plain tuples: a page of them is taken apart in a few passes.

Pure. An event's key is what recognises it when it comes again: 64 bits made of its id, which
AWS gives once and tells in a page and in a pushed record alike.
"""

import sys
from array import array
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from itertools import chain
from operator import itemgetter
from typing import Any, Final

__all__ = [
    "KEY",
    "MESSAGE",
    "STREAM",
    "TIME",
    "Event",
    "by_time",
    "joined_keys",
    "key_of",
    "of_page",
    "pack_keys",
    "turn_of",
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

by_time = itemgetter(TIME, INGESTED)
"""What events are ordered by, as AWS orders them; those that are equal stay as they came."""


def key_of(event_id: str) -> int:
    """Return the 64 bits that stand for an event's id."""
    # What is not AWS's own number is hashed as text.
    if event_id.isdecimal() and event_id.isascii():
        return int(event_id) % PRIME
    return int.from_bytes(blake2b(event_id.encode(errors="replace"), digest_size=8).digest())


def of_page(page: Mapping[str, Any]) -> list[Event]:
    """Return the events of a page that ``FilterLogEvents`` answered, in its order."""
    return [
        (
            event["timestamp"],
            event.get("ingestionTime", 0),
            key_of(event["eventId"]),
            event["logStreamName"],
            event["message"],
        )
        for event in page.get("events", ())
    ]


def pack_keys(pairs: Sequence[tuple[int, int]]) -> bytes:
    """
    Return record keys as a position has them.

    Args:
        pairs: a time (ms) and a key for each.
    """
    numbers = array("Q", chain.from_iterable(pairs))
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers.tobytes()


def unpack_keys(packed: bytes) -> dict[int, int]:
    """Return the times of record keys, by key, in their order."""
    numbers = array("Q", packed)
    if sys.byteorder == "little":
        numbers.byteswap()
    return dict(zip(numbers[1::2], numbers[::2], strict=True))


def joined_keys(events: Iterable[Event], from_ms: int) -> bytes:
    """Return the record keys of those events that happened at ``from_ms`` or later."""
    return pack_keys([(event[TIME], event[KEY]) for event in events if event[TIME] >= from_ms])


def turn_of(events: Sequence[Event], most_characters: int) -> int:
    """Return how many events are published at once: of about so many characters."""
    size = 0
    for number, event in enumerate(events, 1):
        size += len(event[MESSAGE])
        if size >= most_characters:
            return number
    return len(events)
