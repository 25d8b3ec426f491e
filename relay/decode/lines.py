"""
Bytes into lines: the decoder that every byte stream goes through.

Pure: fed with bytes split anywhere, gives whole lines. Unfinished lines wait, over-long ones
are split and marked as parts, bytes that are no UTF-8 become U+FFFD, ``\\r\\n`` becomes
``\\n``. Nothing is ever dropped.
"""

from dataclasses import dataclass

from relay.lines import EMPTY, Lines

__all__ = ["Decoded", "LineDecoder"]

NO_PARTS: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Decoded:
    """
    What one feeding gave.

    Args:
        lines: whole lines, and pieces of over-long ones.
        parts: indexes of the pieces in ``lines``.
        invalid_bytes: how many bytes were no text and were replaced.
    """

    lines: Lines = EMPTY
    parts: frozenset[int] = NO_PARTS
    invalid_bytes: int = 0


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
    """

    def __init__(self, max_line_bytes: int = 256 * 1024, *, in_part: bool = False) -> None:
        self.max_line_bytes = max_line_bytes
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
            return _join(decoded, self._cut_held())
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
        held = b"".join(self._held)
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
        text, invalid = _to_text(line)
        return Decoded(Lines.of([text]), frozenset([0]) if marked else NO_PARTS, invalid)

    def _hold(self, data: bytes) -> None:
        if data:
            self._held.append(data)
            self.held_bytes += len(data)

    def _holds_too_much(self) -> bool:
        # A last "\r" may belong to the line's end, which does not count.
        over = self.held_bytes - self.max_line_bytes
        return over > 1 or (over == 1 and not self._held[-1].endswith(b"\r"))

    def _decode(self, whole: bytes) -> Decoded:
        if b"\r" in whole:
            whole = whole.replace(b"\r\n", b"\n")
        if self._in_part or len(whole) > self.max_line_bytes:
            return self._decode_long(whole)
        text, invalid = _to_text(whole)
        return Decoded(Lines(text), NO_PARTS, invalid)

    def _decode_long(self, whole: bytes) -> Decoded:
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
                split = _split(line, self.max_line_bytes)
                parts.extend(range(len(pieces), len(pieces) + len(split)))
                pieces.extend(split)
                self._in_part = False
            else:
                pieces.append(line)
        text, invalid = _to_text(b"\n".join(pieces) + b"\n")
        return Decoded(Lines(text, len(pieces)), frozenset(parts), invalid)

    def _cut_held(self) -> Decoded:
        held = b"".join(self._held)
        # Where all but a last "\r" fits, both wait together for what follows: a newline makes
        # them the line's last piece.
        pieces = _split(held.removesuffix(b"\r"), self.max_line_bytes)
        rest = pieces.pop() + held[len(held.removesuffix(b"\r")) :]
        self._held, self.held_bytes = [rest], len(rest)
        self._in_part = True
        text, invalid = _to_text(b"\n".join(pieces) + b"\n")
        return Decoded(Lines(text, len(pieces)), frozenset(range(len(pieces))), invalid)


def _to_text(data: bytes) -> tuple[bytes, int]:
    """Return ``data`` as valid UTF-8 and how many bytes were replaced."""
    if data.isascii():
        return data, 0
    try:
        data.decode()
    except UnicodeDecodeError:
        text = data.decode(errors="replace")
        return text.encode(), len(data) - len(data.decode(errors="ignore").encode())
    return data, 0


def _split(line: bytes, most: int) -> list[bytes]:
    """Cut a line into pieces of at most ``most`` bytes, not inside a UTF-8 character."""
    pieces, start = [], 0
    while len(line) - start > most:
        stop = start + most
        # A continuation byte is 10xxxxxx; a character has at most three of them.
        back = next((k for k in range(4) if line[stop - k] & 0xC0 != 0x80), 0)
        stop -= back
        pieces.append(line[start:stop])
        start = stop
    pieces.append(line[start:])
    return pieces


def _join(first: Decoded, second: Decoded) -> Decoded:
    count = first.lines.count
    return Decoded(
        Lines(first.lines.text + second.lines.text, count + second.lines.count),
        first.parts | {index + count for index in second.parts},
        first.invalid_bytes + second.invalid_bytes,
    )
