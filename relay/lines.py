"""
Many lines as one run of bytes.

Rule of this file: no object is kept per line. ``text`` holds every entry followed by one
``\\n``; ``ends`` says where each entry's text ends. It is left out (``None``) while no entry
holds a newline itself, because then the newlines alone say it, and is computed when asked for.
"""

from array import array
from collections.abc import Sequence
from itertools import accumulate

__all__ = ["EMPTY", "Lines"]

OFFSET = "I"
"""Type code of ``ends``: 32 bits. A batch's text is far below 4 GiB."""


class Lines:
    """
    Consecutive entries' text: valid UTF-8, each entry followed by one newline.

    Immutable. Cost of a split is O(bytes), of one entry O(1) once ``ends`` is known.

    Args:
        text: the entries, each followed by ``\\n``.
        count: how many entries ``text`` holds; ``None`` counts the newlines when first asked.
        ends: for each entry the offset of the newline that closes it; needed only when an
            entry holds a newline itself.
    """

    __slots__ = ("_count", "_ends", "has_newlines", "text")

    def __init__(
        self, text: bytes, count: int | None = None, ends: "array[int] | None" = None
    ) -> None:
        self.text = text
        self.has_newlines = ends is not None
        self._ends = ends
        self._count = len(ends) if count is None and ends is not None else count

    @classmethod
    def of(cls, entries: Sequence[bytes]) -> "Lines":
        """
        Join entries.

        Args:
            entries: valid UTF-8 without the closing newline; may hold newlines.
        """
        if not entries:
            return EMPTY
        text = b"\n".join(entries) + b"\n"
        if text.count(b"\n") == len(entries):
            return cls(text, len(entries))
        return cls(text, len(entries), _ends_of(entries))

    @property
    def count(self) -> int:
        """How many entries there are; kept once known. Counting costs 0.3 ns a byte."""
        if self._count is None:
            self._count = self.text.count(b"\n")
        return self._count

    def note_count(self, count: int) -> None:
        """Be told how many entries there are, by who went over all of them anyway."""
        self._count = count

    @property
    def ends(self) -> "array[int]":
        """Offset of each entry's closing newline in ``text``; kept once computed."""
        if self._ends is None:
            self._ends = _ends_of(self.text[:-1].split(b"\n")) if self.count else array(OFFSET)
        return self._ends

    def split(self) -> list[bytes]:
        """Return each entry's bytes, without its newline."""
        if not self.count:
            return []
        if not self.has_newlines:
            return self.text[:-1].split(b"\n")
        text, start, entries = self.text, 0, []
        for end in self.ends:
            entries.append(text[start:end])
            start = end + 1
        return entries

    def strings(self) -> list[str]:
        """Return each entry as a string; decodes once where no entry holds a newline."""
        if not self.count:
            return []
        if not self.has_newlines:
            return self.text[:-1].decode().split("\n")
        return [entry.decode() for entry in self.split()]

    def bounds(self, index: int) -> tuple[int, int]:
        """Return where the entry at ``index`` (from 0) starts and ends in ``text``."""
        ends = self.ends
        return (ends[index - 1] + 1 if index else 0), ends[index]

    def entry(self, index: int) -> bytes:
        """Return the bytes of the entry at ``index`` (from 0), without its newline."""
        start, end = self.bounds(index)
        return self.text[start:end]

    def slice(self, start: int, stop: int) -> "Lines":
        """Return the entries from ``start`` (from 0) up to, not with, ``stop``."""
        if start == 0 and stop == self.count:
            return self
        if start >= stop:
            return EMPTY
        ends = self.ends
        first = ends[start - 1] + 1 if start else 0
        text = self.text[first : ends[stop - 1] + 1]
        if not self.has_newlines:
            return Lines(text, stop - start)
        return Lines(text, stop - start, array(OFFSET, [end - first for end in ends[start:stop]]))

    def __len__(self) -> int:
        return self.count

    def __bool__(self) -> bool:
        return bool(self.text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Lines) and self.split() == other.split()

    def __hash__(self) -> int:
        return hash((self.text, self.count))

    def __repr__(self) -> str:
        return f"Lines({self.split()!r})"


def join(pieces: Sequence[Lines]) -> Lines:
    """Put several runs of lines behind one another. Cost O(bytes)."""
    if len(pieces) == 1:
        return pieces[0]
    text = b"".join([piece.text for piece in pieces])
    count = sum(piece.count for piece in pieces)
    if not any(piece.has_newlines for piece in pieces):
        return Lines(text, count)
    ends: array[int] = array(OFFSET)
    offset = 0
    for piece in pieces:
        ends.extend([end + offset for end in piece.ends])
        offset += len(piece.text)
    return Lines(text, count, ends)


def _ends_of(entries: Sequence[bytes]) -> "array[int]":
    # accumulate over lengths that include the newline gives the offset after it; start one
    # below, so that each value is the newline's own offset.
    ends = array(OFFSET, accumulate(map(len, entries)))
    return array(OFFSET, map(int.__add__, ends, range(len(ends))))


EMPTY = Lines(b"", 0)
"""No lines at all."""
