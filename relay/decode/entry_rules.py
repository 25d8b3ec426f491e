"""
Rules for entries of several lines: which lines belong together.

Cost for ordinary lines: what begins a trace is looked for in the whole block at once, 0.15 µs a
line; a pattern of the user's costs 0.4 to 0.6 µs a line. In a trace a line costs some 3 µs.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any, Protocol

from relay.decode.traces import TRACES, Rows, Table
from relay.errors import QueryError
from relay.lines import Lines
from relay.pattern import Pattern, compile_pattern
from relay.selection import ALL, NONE

__all__ = ["READY_MADE", "Marked", "Rule", "Scan", "Traces", "check_pattern", "ready_made"]

READY_MADE = (*TRACES, "indent")


@dataclass(frozen=True, slots=True)
class Scan:
    """
    What a rule found out about lines.

    Args:
        begins: for each line 1 if an entry begins with it, else 0; the first is 1. After
            ``open`` it says nothing.
        open: index of the line with which the entry begins that may go on; the number of lines
            if there is none.
        sure: how many of its lines belong to it, whatever comes; at least one.
        state: what the rule wants to know when more lines come.
    """

    begins: bytes
    open: int
    sure: int = 0
    state: str = ""


class Rule(Protocol):
    """Tells which lines belong together. Holds nothing: one for all streams."""

    def is_plain(self, lines: Lines) -> bool:
        """Tell quickly that each line is an entry and none may go on; ``False`` if unsure."""

    def scan(self, lines: Lines, new: Lines, sure: int, state: str) -> Scan:
        """
        Look at lines.

        Args:
            lines: those that are held, which are one entry as far as ``sure``, and ``new``.
            new: at least one.
            sure: as the last scan said.
            state: as the last scan said.
        """


class Marked:
    """
    An entry begins at lines that a pattern is found in; or at all others.

    Args:
        pattern: RE2's.
        begins: whether a match begins an entry; else it goes on the one before.
    """

    def __init__(self, pattern: str, *, begins: bool) -> None:
        self._pattern = _Unbounded(pattern, "multiline", pattern)
        self._begins = begins

    def is_plain(self, lines: Lines) -> bool:
        """Any line may go on."""
        return False

    def scan(self, lines: Lines, new: Lines, sure: int, state: str) -> Scan:
        """Look at the new lines, all at once."""
        found = self._pattern.select(new)
        if found is ALL or found is NONE:
            mask = bytes([(found is ALL) == self._begins]) * new.count
        else:
            assert isinstance(found, bytes)
            mask = found if self._begins else found.translate(_SWAP)
        begins = b"\1" + (bytes(lines.count - new.count) + mask)[1:]
        last = begins.rfind(1)
        return Scan(begins, last, lines.count - last)


_SWAP = bytes([1, 0]) + bytes(254)


class _Unbounded(Pattern):
    """A pattern of the configuration: who wrote it may spend what it costs."""

    __slots__ = ()

    def _charge(self, searched_bytes: int, matches: int, cost_ns: int) -> None:
        with suppress(QueryError):
            super()._charge(searched_bytes, matches, cost_ns)


class Traces:
    """
    Stack traces, by a table; all other lines are entries by themselves.

    Args:
        table: what they look like.
    """

    def __init__(self, table: Table) -> None:
        self._start = _compile(_either(pattern for pattern, _ in table.start))
        rows = {"": table.start, **table.states}
        self._rows = {state: _compile_rows(rows[state]) for state in rows}

    def is_plain(self, lines: Lines) -> bool:
        """Look for what every trace begins with."""
        return self._start.search(lines.text) is None

    def scan(self, lines: Lines, new: Lines, sure: int, state: str) -> Scan:
        """Walk through traces line by line, and leap over what lies between."""
        walk = _Walk(lines, self._start)
        if new is not lines:
            walk.resume(lines.count - new.count, sure, state)
        while walk.state or walk.leap():
            while walk.index < lines.count:
                line = walk.line()
                state = next((to for row, to in self._rows[walk.state] if row.search(line)), "")
                if not state:
                    walk.end()
                    break
                walk.take(state)
            else:
                return Scan(bytes(walk.begins), walk.first, walk.sure - walk.first, walk.state)
        return Scan(bytes(walk.begins), lines.count)


class _Walk:
    """Where a scan stands: a line's index and offset, and the trace that it is in."""

    def __init__(self, lines: Lines, start: Any) -> None:
        self.begins = bytearray(b"\1" * lines.count)
        self.index = self.first = self.sure = 0
        self.state = ""
        self._text = lines.text
        self._start = start
        self._at = self._stop = self._sure_at = 0

    def resume(self, held: int, sure: int, state: str) -> None:
        """Stand after the lines that are held."""
        for index in range(held):
            if index == sure:
                self._sure_at = self._at
            self._at = self._text.find(b"\n", self._at) + 1
        self.index, self.sure, self.state = held, sure, state
        if sure == held:
            self._sure_at = self._at

    def leap(self) -> bool:
        """Go on to the next line that begins a trace; return whether there is one."""
        found = self._start.search(self._text, self._at)
        if found is None:
            return False
        at = self._text.rfind(b"\n", 0, found.start()) + 1
        self.index += self._text.count(b"\n", self._at, at)
        self._at, self.first = at, self.index
        return True

    def line(self) -> bytes:
        """Return the line here."""
        self._stop = self._text.find(b"\n", self._at)
        return self._text[self._at : self._stop]

    def take(self, state: str) -> None:
        """Add the line here to the trace."""
        self.state, self._at = state, self._stop + 1
        self.index += 1
        if not state.endswith("?") or self.index == self.first + 1:
            self.sure, self._sure_at = self.index, self._at

    def end(self) -> None:
        """End the trace with its last line that is sure, and stand after it."""
        self.begins[self.first + 1 : self.sure] = bytes(self.sure - self.first - 1)
        self.index, self._at, self.state = self.sure, self._sure_at, ""


def _compile(pattern: str) -> Any:
    # Not before a rule is used: it is 30 ms of a start.
    import re2  # type: ignore[import-untyped]

    options = re2.Options()
    options.never_capture = True
    options.never_nl = True
    return re2.compile(f"(?m){pattern}".encode(), options)


def _compile_rows(rows: Rows) -> list[tuple[Any, str]]:
    """Compile a state's rows, neighbours that lead to the same state as one."""
    return [
        (_compile(_either(pattern for pattern, _ in same)), state)
        for state, same in groupby(rows, key=itemgetter(1))
    ]


def _either(patterns: Iterable[str]) -> str:
    return "|".join(f"(?:{pattern})" for pattern in patterns)


def check_pattern(pattern: str) -> None:
    """
    Tell whether a pattern can be used.

    Raises:
        ValueError: it is none, or needs what cannot be had in linear time; tells what is
            allowed.
    """
    try:
        compile_pattern(pattern)
    except QueryError as error:
        raise ValueError(error.allowed) from None


@lru_cache(32)
def ready_made(name: str) -> Rule:
    """Return one of :data:`READY_MADE`."""
    if name == "indent":
        return Marked(r"^[ \t]", begins=False)
    return Traces(TRACES[name])
