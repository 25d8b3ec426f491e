"""
The writers' own record: what was written, and what may rightly be missing.

It is the only oracle. Lines are made from their number alone, so that a reader's copy can be
compared with what was written, byte for byte.
"""

import re
from array import array
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = [
    "NEEDLE",
    "NEEDLE_EVERY",
    "Allowance",
    "Record",
    "Stream",
    "Strike",
    "line",
    "numbers_in",
    "numbers_of",
]

NEEDLE = "needle"
NEEDLE_EVERY = 10
"""Each so many lines one has the needle: what filtered readers ask for."""

_TEXTS = (
    f"{NEEDLE} in a haystack",
    "GET /index.html 200",
    "äöü ß and an error of no importance",
    "日本語の行 🚀",
    "",
    "warning: " + "a longer line, as programs write them, " * 6,
    '{"message": "a line that is JSON", "n": 1}',
    "naïve café \t with a tab",
    "x" * 90,
    "🜁🜂🜃🜄 four bytes each",
)


def line(stream: str, number: int) -> str:
    """Return the text of a stream's line, without its newline."""
    return f"{stream}:{number:08d} {_TEXTS[number % NEEDLE_EVERY]}"


def numbers_in(text: bytes) -> list[int]:
    """Return the numbers of the whole lines of a log."""
    return [int(one.split(b" ", 1)[0].split(b":")[1]) for one in text.split(b"\n")[:-1]]


_MESSAGE = re.compile(rb'"message":"[a-z]+:(\d{8}) ')


def numbers_of(text: bytes) -> list[int]:
    """Return the numbers of the lines that are objects in this NDJSON."""
    return [int(number) for number in _MESSAGE.findall(text)]


@dataclass(frozen=True, slots=True)
class Allowance:
    """
    Lines that may be missing if a gap says so, or a gap that may be there without need.

    Args:
        reason: that the gap must have.
        first: number of the first line that may be missing.
        until: number after the last.
        is_counted: whether the gap must say how many are missing.
    """

    reason: str
    first: int
    until: int
    is_counted: bool = False


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault that struck a stream when ``number`` lines of it had been written."""

    number: int
    kind: str


@dataclass(slots=True)
class Stream:
    """
    One sequence of numbered lines, which goes into the channel of its name.

    Args:
        name: of the channel too.
        count: tells how many lines have been begun to be written.
        unsure: tells which lines may never have been written, although later ones were.
        unseen: lines of files that came and went while the relay was down: nothing tells of them.
        seen: all lines before this number have been given to some client.
        allowances: what may be missing.
        strikes: faults, in the order in which they struck.
        ids: for each number the id that the first client was told; 0 where there is none yet.
        damaged: ranges of which also what gaps said may be lost, with the kind of fault.
        rewinds: how often all has been read anew, since nobody knew any more how far it was.
        others: for each number the further ids that it was given then.
    """

    name: str
    count: Callable[[], int] = lambda: 0
    unsure: Callable[[], frozenset[int]] = frozenset
    unseen: set[int] = field(default_factory=set)
    seen: int = 0
    allowances: list[Allowance] = field(default_factory=list)
    strikes: list[Strike] = field(default_factory=list)
    ids: "array[int]" = field(default_factory=lambda: array("q"))
    damaged: list[tuple[range, str]] = field(default_factory=list)
    rewinds: int = 0
    others: dict[int, set[int]] = field(default_factory=dict)

    def may_lack(self) -> set[int]:
        """Return the lines that may be missing though no gap says so."""
        return self.unseen | self.unsure()

    def allow(self, reason: str, first: int, until: int, *, is_counted: bool = False) -> None:
        """Note what may be missing from now on."""
        self.allowances.append(Allowance(reason, first, max(first, until), is_counted))

    def damage(self, kind: str, first: int, until: int) -> None:
        """Note that lines were stored where something has come to harm."""
        self.allow("storage", first, until, is_counted=True)
        self.damaged.append((range(first, max(first, until)), kind))

    def uncounted(self, first: int, until: int) -> set[int]:
        """Return the lines that may be missing by a gap that cannot count them."""
        found: set[int] = set()
        for one in self.allowed(first, until):
            if not one.is_counted:
                found.update(range(one.first, one.until))
        return found

    def damage_in(self, first: int, until: int) -> str | None:
        """Return the kind of what has damaged this range, so that gaps in it may be lost."""
        for one, kind in self.damaged:
            if one.start <= until and first <= one.stop:
                return kind
        return None

    def allowed(self, first: int, until: int) -> list[Allowance]:
        """Return the allowances that touch the hole from ``first`` to ``until``."""
        return [one for one in self.allowances if one.first <= until and first <= one.until]

    def kind_at(self, number: int) -> str:
        """Return the kind of the last fault that had struck when a line was written."""
        place = bisect_right(self.strikes, number, key=lambda strike: strike.number)
        return self.strikes[place - 1].kind if place else "none"

    def agrees(self, number: int, id_: int) -> bool:
        """Note the id that a client was told for a line; tell whether all were told the same."""
        if number >= len(self.ids):
            self.ids.extend([0] * (number + 1024 - len(self.ids)))
        if not self.ids[number]:
            self.ids[number] = id_
        if self.ids[number] == id_:
            return True
        others = self.others.setdefault(number, set()) if self.rewinds else set()
        others.add(id_)
        return len(others) <= self.rewinds


class Record:
    """All streams, by name."""

    def __init__(self, *names: str) -> None:
        self.streams = {name: Stream(name) for name in names}

    def strike(self, kind: str, *names: str) -> None:
        """Note that a fault strikes these streams now, or all."""
        for name in names or self.streams:
            stream = self.streams[name]
            stream.strikes.append(Strike(stream.count(), kind))

    def counts(self) -> dict[str, int]:
        """Return how many lines of each stream have been written."""
        return {name: stream.count() for name, stream in self.streams.items()}

    @property
    def total(self) -> int:
        """How many lines have been written in all."""
        return sum(self.counts().values())
