"""
The writers' own record: what was written, and what may rightly be missing.

It is the only oracle. Lines are made from their number alone, so that a reader's copy can be
compared with what was written, byte for byte.
"""

from array import array
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["NEEDLE", "NEEDLE_EVERY", "Allowance", "Record", "Stream", "Strike", "line"]

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
        seen: all lines before this number have been given to some client.
        allowances: what may be missing.
        strikes: faults, in the order in which they struck.
        ids: for each number the id that the first client was told; 0 where there is none yet.
    """

    name: str
    count: Callable[[], int] = lambda: 0
    unsure: Callable[[], frozenset[int]] = frozenset
    seen: int = 0
    allowances: list[Allowance] = field(default_factory=list)
    strikes: list[Strike] = field(default_factory=list)
    ids: "array[int]" = field(default_factory=lambda: array("q"))

    def allow(self, reason: str, first: int, until: int, *, is_counted: bool = False) -> None:
        """Note what may be missing from now on."""
        self.allowances.append(Allowance(reason, first, max(first, until), is_counted))

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
        return self.ids[number] == id_


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
