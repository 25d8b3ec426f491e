"""
Lines into entries of several lines: stack traces, and whatever a rule tells.

Lines that the decoder of bytes gave go in, entries come out. The last entry is *held* for as
long as the next line may go on it; a source gives it out after a while without more lines. A
line is never cut or dropped here, and none is looked at more than a few times. Pieces of an
over-long line are never joined: they end what is held and stand by themselves.
"""

from array import array
from collections.abc import Callable
from itertools import compress
from operator import sub

from relay.decode.entry_rules import Rule
from relay.decode.lines import Decoded
from relay.lines import EMPTY, Lines, join

__all__ = ["EntryJoiner"]

OFFSET = "I"
"""As in :mod:`relay.lines`."""


class EntryJoiner:
    """
    Join the lines of one stream.

    Args:
        rule: which lines belong together.
        max_lines: an entry of more lines is split, and its pieces are marked as parts.
        max_bytes: so is one of more bytes; one line may be longer.
    """

    def __init__(self, rule: Rule, max_lines: int, max_bytes: int) -> None:
        self._rule = rule
        self._max_lines = max_lines
        self._max_bytes = max_bytes
        self._held = EMPTY
        self._raw: list[int] = []
        self._sure = 0
        self._state = ""
        self._is_rest = False

    @property
    def held_bytes(self) -> int:
        """Raw bytes of the lines that are not yet given out."""
        return sum(self._raw)

    @property
    def held_lines(self) -> int:
        """How many lines are not yet given out."""
        return self._held.count

    def feed(self, decoded: Decoded, fed_bytes: Callable[[bytes], int] = len) -> Decoded:
        """
        Take more lines.

        Args:
            decoded: what the decoder of bytes gave.
            fed_bytes: its method of this name.

        Returns:
            All entries that are whole now, and pieces of one that is too long.
        """
        lines = decoded.lines
        if not lines.count:
            return decoded
        if not (decoded.parts or self._held.count) and self._rule.is_plain(lines):
            return decoded
        out = _Out(decoded.invalid_bytes)
        start = 0
        for part in sorted(decoded.parts):
            if start < part:
                self._add(lines.slice(start, part), out)
            self._let_go(out)
            out.add(lines.slice(part, part + 1), [0])
            start = part + 1
        if start < lines.count:
            self._add(lines.slice(start, lines.count), out)
        self._measure(decoded, fed_bytes)
        return out.decoded()

    def flush(self) -> Decoded:
        """Give out what is held, as it stands."""
        out = _Out()
        self._let_go(out)
        self._raw = []
        return out.decoded()

    def _let_go(self, out: "_Out") -> None:
        while self._held.count:
            held, sure = self._held, self._sure
            self._give(held.slice(0, sure), b"\1" + bytes(sure - 1), out)
            self._hold(EMPTY)
            if sure < held.count:
                # Lines that might have gone on it may begin another.
                self._add(held.slice(sure, held.count), out)

    def _add(self, new: Lines, out: "_Out") -> None:
        held = self._held
        lines = join([held, new]) if held.count else new
        scan = self._rule.scan(lines, new, self._sure, self._state)
        if scan.open:
            # What was held has ended.
            self._give(lines.slice(0, scan.open), scan.begins[: scan.open], out)
            self._hold(EMPTY)
        if scan.open < lines.count:
            self._hold(lines.slice(scan.open, lines.count), scan.sure, scan.state)
            self._shorten(out)

    def _hold(self, lines: Lines, sure: int = 0, state: str = "") -> None:
        self._held, self._sure, self._state = lines, sure, state
        self._is_rest = self._is_rest and lines.count > 0

    def _give(self, lines: Lines, begins: bytes, out: "_Out") -> None:
        """Give out entries; the first is the rest of one if its beginning was given out."""
        if 0 in begins:
            lines, parts = self._entries(lines, begins)
        else:
            parts = []
        if self._is_rest and 0 not in parts:
            parts.append(0)
        self._is_rest = False
        out.add(lines, parts)

    def _entries(self, lines: Lines, begins: bytes) -> tuple[Lines, list[int]]:
        ends = array(OFFSET, compress(lines.ends, begins[1:] + b"\1"))
        longest = max(map(sub, ends[1:], ends[:-1]), default=0)
        if (
            bytes(self._max_lines) not in begins
            and longest - 1 <= self._max_bytes
            and ends[0] <= self._max_bytes
        ):
            return Lines(lines.text, len(ends), ends), []
        return self._split_entries(lines, begins)

    def _split_entries(self, lines: Lines, begins: bytes) -> tuple[Lines, list[int]]:
        starts: list[int] = []
        parts: list[int] = []
        start = 0
        while start < lines.count:
            stop = begins.find(1, start + 1)
            stop = lines.count if stop < 0 else stop
            cuts = self._cuts(lines, start, stop)
            if len(cuts) > 1:
                parts += range(len(starts), len(starts) + len(cuts))
            starts += cuts
            start = stop
        ends = lines.ends
        last = array(OFFSET, [ends[index - 1] for index in [*starts[1:], lines.count]])
        return Lines(lines.text, len(last), last), parts

    def _cuts(self, lines: Lines, start: int, stop: int) -> list[int]:
        """Return with which lines the pieces of an entry begin, each as long as it may be."""
        cuts, ends = [start], lines.ends
        for index in range(start + 1, stop):
            first = cuts[-1]
            begin = ends[first - 1] + 1 if first else 0
            if index - first == self._max_lines or ends[index] - begin > self._max_bytes:
                cuts.append(index)
        return cuts

    def _shorten(self, out: "_Out") -> None:
        """Give out the beginning of what is held, if it is too long already."""
        held = self._held
        if held.count <= self._max_lines and len(held.text) - 1 <= self._max_bytes:
            return
        cuts = self._cuts(held, 0, self._sure)
        if len(cuts) > 1:
            cut = cuts[-1]
            begins = bytearray(cut)
            for index in cuts[:-1]:
                begins[index] = 1
            lines, _ = self._entries(held.slice(0, cut), bytes(begins))
            out.add(lines, list(range(lines.count)))
            self._held, self._sure = held.slice(cut, held.count), self._sure - cut
            self._is_rest = True

    def _measure(self, decoded: Decoded, fed_bytes: Callable[[bytes], int]) -> None:
        """Take note of how many raw bytes each line is that is held."""
        count = self._held.count
        if not count:
            self._raw = []
            return
        raw, stop, sizes = decoded.raw, len(decoded.raw), []
        for _ in range(min(count, decoded.lines.count)):
            start = raw.rfind(b"\n", 0, stop - 1) + 1
            sizes.append(fed_bytes(raw[start:stop]))
            stop = start
        self._raw = [*self._raw, *reversed(sizes)][-count:]


class _Out:
    """Collects what is given out."""

    def __init__(self, invalid_bytes: int = 0) -> None:
        self._lines: list[Lines] = []
        self._parts: list[int] = []
        self._count = 0
        self._invalid_bytes = invalid_bytes

    def add(self, lines: Lines, parts: list[int]) -> None:
        """Add entries; ``parts`` are indexes of them."""
        self._lines.append(lines)
        self._parts += [index + self._count for index in parts]
        self._count += lines.count

    def decoded(self) -> Decoded:
        """Return all."""
        lines = join(self._lines) if self._lines else EMPTY
        return Decoded(lines, frozenset(self._parts), self._invalid_bytes)
