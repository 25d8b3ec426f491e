"""
Bytes into lines: the decoder that every byte stream goes through.

Pure: fed with bytes split anywhere, gives whole lines. Unfinished lines wait, over-long ones
are split and marked as parts, bytes that are no UTF-8 become U+FFFD, ``\\r\\n`` becomes
``\\n``; a byte order mark at the beginning is left out. Nothing else is ever dropped.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from relay.lines import EMPTY, Lines, join

__all__ = ["NOTHING", "Decoded", "LineDecoder", "concatenate", "cut_line", "to_text"]

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

NO_PARTS: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Decoded:
    """
    What one feeding gave.

    Args:
        lines: whole lines, and pieces of over-long ones.
        parts: indexes of the pieces in ``lines``.
        invalid_bytes: how many bytes were no text and were replaced.
        raw: the bytes that the whole lines came from, with their line ends, for those who
            must tell where a line began.
    """

    lines: Lines = EMPTY
    parts: frozenset[int] = NO_PARTS
    invalid_bytes: int = 0
    raw: bytes = b""


NOTHING = Decoded()


class LineDecoder:
    """
    Split one byte stream into lines.

    Cost of feeding is O(bytes), whatever the pieces; an unfinished line is kept as the pieces
    that came and is searched once.

    Args:
        max_line_bytes: a longer line is cut into pieces of at most this many raw bytes,
            never inside a UTF-8 character; every piece is marked as a part.
        in_part: whether the first bytes go on a line whose beginning was given out before.
        at_start: whether the first bytes are the stream's first: there may be a mark.
    """

    def __init__(
        self,
        max_line_bytes: int = 256 * 1024,
        *,
        in_part: bool = False,
        at_start: bool = True,
    ) -> None:
        self.max_line_bytes = max_line_bytes
        self._at_start = at_start
        self._held: list[bytes] = []
        self._in_part = in_part
        self.held_bytes = 0
        """Raw bytes that were fed and are not yet given out: a position must not cover them."""

    @property
    def in_part(self) -> bool:
        """Whether what comes next goes on a line whose beginning was given out."""
        return self._in_part

    def feed(self, data: bytes) -> Decoded:
        """
        Take more bytes.

        Args:
            data: as read, split anywhere.

        Returns:
            All lines that are whole now, and pieces of an over-long one.
        """
        if self._at_start:
            data = self._without_mark(data)
        cut = data.rfind(b"\n") + 1
        if not cut:
            self._hold(data)
            return self._cut_held() if self._holds_too_much() else NOTHING
        whole = data[:cut]
        if self._held:
            self._held.append(whole)
            whole = b"".join(self._held)
            self._held = []
        self.held_bytes = 0
        self._hold(data[cut:])
        decoded = self._decode(whole)
        if self._holds_too_much():
            return concatenate([decoded, self._cut_held()])
        return decoded

    def flush(self, *, part: bool) -> Decoded:
        """
        Give out the unfinished line.

        Args:
            part: whether its source goes on, so that what follows is an entry of its own;
                ``False`` at the end of stdin, a process, a run: then it is a whole line.
        """
        if not self.held_bytes:
            self._in_part = self._in_part and part
            return NOTHING
        self._at_start = False
        held = self.held()
        self._held, self.held_bytes = [], 0
        # A last "\r" belongs to a line end: cut off for good, or still to come.
        line = held.removesuffix(b"\r")
        if part and line != held:
            self._hold(b"\r")
        if not line and (part or self._in_part):
            self._in_part = self._in_part and part
            return NOTHING
        marked = part or self._in_part
        self._in_part = part
        text, invalid = self._to_text(line)
        return Decoded(Lines.of([text]), frozenset([0]) if marked else NO_PARTS, invalid)

    def held(self) -> bytes:
        """Return the bytes that wait for the end of their line."""
        return b"".join(self._held)

    def fed_bytes(self, raw: bytes) -> int:
        """Return how many of the bytes that were fed are ``raw`` (some of ``Decoded.raw``)."""
        return len(raw)

    def _without_mark(self, data: bytes) -> bytes:
        start = self.held() + data
        if len(start) < len(BYTE_ORDER_MARK) and BYTE_ORDER_MARK.startswith(start):
            return data
        self._at_start = False
        self._held, self.held_bytes = [], 0
        return start.removeprefix(BYTE_ORDER_MARK)

    def _hold(self, data: bytes) -> None:
        if data:
            self._held.append(data)
            self.held_bytes += len(data)

    def _holds_too_much(self) -> bool:
        # A last "\r" may belong to the line's end, which does not count.
        over = self.held_bytes - self.max_line_bytes
        return over > 1 or (over == 1 and not self._held[-1].endswith(b"\r"))

    def _decode(self, raw: bytes) -> Decoded:
        whole = raw
        if b"\r" in whole:
            whole = whole.replace(b"\r\n", b"\n")
        if self._in_part or len(whole) > self.max_line_bytes:
            return self._decode_long(whole, raw)
        text, invalid = self._to_text(whole)
        return Decoded(Lines(text), NO_PARTS, invalid, raw)

    def _decode_long(self, whole: bytes, raw: bytes) -> Decoded:
        """Decode where the first line may finish a long one, or any may be too long itself."""
        pieces: list[bytes] = []
        parts: list[int] = []
        lines = whole[:-1].split(b"\n")
        if self._in_part and not lines[0]:
            # The newline of a line that was given out without it.
            self._in_part = False
            del lines[0]
            if not lines:
                return NOTHING
        for line in lines:
            if self._in_part or len(line) > self.max_line_bytes:
                split = self._split(line)
                parts.extend(range(len(pieces), len(pieces) + len(split)))
                pieces.extend(split)
                self._in_part = False
            else:
                pieces.append(line)
        text, invalid = self._to_text(b"\n".join(pieces) + b"\n")
        return Decoded(Lines(text, len(pieces)), frozenset(parts), invalid, raw)

    def _cut_held(self) -> Decoded:
        held = self.held()
        # Where all but a last "\r" fits, both wait together for what follows: a newline makes
        # them the line's last piece.
        pieces = self._split(held.removesuffix(b"\r"))
        rest = pieces.pop() + held[len(held.removesuffix(b"\r")) :]
        self._held, self.held_bytes = [rest], len(rest)
        self._in_part = True
        text, invalid = self._to_text(b"\n".join(pieces) + b"\n")
        return Decoded(Lines(text, len(pieces)), frozenset(range(len(pieces))), invalid)

    # What another encoding does its own way

    def _to_text(self, data: bytes) -> tuple[bytes, int]:
        return to_text(data)

    def _split(self, line: bytes) -> list[bytes]:
        """Cut a line into pieces that are not too long, not inside a character."""
        return cut_line(line, self.max_line_bytes)


def cut_line(line: bytes, most_bytes: int) -> list[bytes]:
    """Cut a line into pieces of at most ``most_bytes``, not inside a character of UTF-8."""
    pieces, start = [], 0
    while len(line) - start > most_bytes:
        stop = start + most_bytes
        # A continuation byte is 10xxxxxx; a character has at most three of them.
        stop -= next((back for back in range(4) if line[stop - back] & 0xC0 != 0x80), 0)
        pieces.append(line[start:stop])
        start = stop
    pieces.append(line[start:])
    return pieces


def to_text(data: bytes) -> tuple[bytes, int]:
    """Return ``data`` as valid UTF-8 and how many bytes were replaced."""
    if data.isascii():
        return data, 0
    try:
        data.decode()
    except UnicodeDecodeError:
        text = data.decode(errors="replace")
        return text.encode(), len(data) - len(data.decode(errors="ignore").encode())
    return data, 0


def concatenate(pieces: Sequence[Decoded]) -> Decoded:
    """Put what several feedings gave behind one another."""
    if len(pieces) == 1:
        return pieces[0]
    parts, count = [], 0
    for piece in pieces:
        parts += [index + count for index in piece.parts]
        count += piece.lines.count
    return Decoded(
        join([piece.lines for piece in pieces]),
        frozenset(parts),
        sum(piece.invalid_bytes for piece in pieces),
        b"".join([piece.raw for piece in pieces]),
    )
