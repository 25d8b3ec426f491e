"""
What a source holds for each stream of bytes: lines, encoding and multi-line entries as one.

Pure: the time comes in. Without ``encoding`` and ``multiline`` it is a :class:`LineDecoder`,
and one addition for each feeding.
"""

from dataclasses import dataclass

from relay.decode.encoding import WIDE, CharsetDecoder, WideDecoder, encoded_newline
from relay.decode.entry_rules import Rule
from relay.decode.lines import NOTHING, Decoded, LineDecoder, concatenate
from relay.decode.multiline import EntryJoiner

__all__ = ["IDLE_SECONDS", "Decoder", "Decoding", "Joining"]

IDLE_SECONDS = 1.0
"""An unfinished line that has not grown for so long is given out: it may be a prompt."""


@dataclass(frozen=True, slots=True)
class Joining:
    """
    Which lines become one entry.

    Args:
        rule: tells it.
        max_lines: of an entry.
        max_bytes: of an entry.
        timeout_seconds: an entry that gets no more lines is given out after this.
    """

    rule: Rule
    max_lines: int = 500
    max_bytes: int = 256 * 1024
    timeout_seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class Decoding:
    """
    How all streams of one source are decoded.

    Args:
        max_line_bytes: a longer line is split.
        encoding: one of :data:`~relay.decode.encoding.ENCODINGS`.
        joining: which lines become one entry; ``None``: each is one.
    """

    max_line_bytes: int = 256 * 1024
    encoding: str = "utf-8"
    joining: Joining | None = None

    @property
    def unit_bytes(self) -> int:
        """A stream's lines begin at multiples of this."""
        return WIDE.get(self.encoding, 1)

    def newline(self, head: bytes) -> bytes:
        """Return the bytes of a newline in a stream that begins with ``head``."""
        return encoded_newline(self.encoding, head)

    def decoder(self, *, in_part: bool = False, head: bytes | None = None) -> "Decoder":
        """
        Return the decoder of one stream.

        Args:
            in_part: whether its first bytes go on a line whose beginning was given out.
            head: the stream's first bytes, where the decoder is fed with later ones; ``None``:
                it is fed with these first.
        """
        return Decoder(self._lines(in_part, head), self.joining)

    def _lines(self, in_part: bool, head: bytes | None) -> LineDecoder | WideDecoder:
        most = self.max_line_bytes
        if self.encoding == "utf-8":
            return LineDecoder(most, in_part=in_part, at_start=head is None)
        if self.encoding in WIDE:
            return WideDecoder(self.encoding, most, in_part=in_part, head=head)
        return CharsetDecoder(self.encoding, most, in_part=in_part)


class Decoder:
    """
    Decode one stream.

    Args:
        lines: makes lines of its bytes.
        joining: which of them become one entry.
    """

    __slots__ = ("_entries", "_entry_due", "_line_due", "_lines", "_timeout_seconds", "due")

    def __init__(self, lines: LineDecoder | WideDecoder, joining: Joining | None = None) -> None:
        self._lines = lines
        self._entries: EntryJoiner | None = None
        self._timeout_seconds = IDLE_SECONDS
        self._line_due: float | None = None
        self._entry_due: float | None = None
        self.due: float | None = None
        """When :meth:`pause` will have something to give, by the caller's clock."""
        if joining is not None:
            self._entries = EntryJoiner(joining.rule, joining.max_lines, joining.max_bytes)
            self._timeout_seconds = joining.timeout_seconds

    @property
    def held_bytes(self) -> int:
        """Raw bytes that were fed and are not yet given out: a position must not cover them."""
        held = self._lines.held_bytes
        return held if self._entries is None else held + self._entries.held_bytes

    @property
    def held_lines(self) -> int:
        """How many whole lines are held: those of an entry that may go on."""
        return 0 if self._entries is None else self._entries.held_lines

    @property
    def unfinished_bytes(self) -> int:
        """Raw bytes of the line that is not whole yet, as far as they are held."""
        return self._lines.held_bytes

    @property
    def in_part(self) -> bool:
        """Whether what is held, or comes next, goes on a line whose beginning was given out."""
        return self._lines.in_part

    def feed(self, data: bytes, now: float) -> Decoded:
        """
        Take more bytes.

        Args:
            data: as read, split anywhere.
            now: by the caller's clock, in seconds.

        Returns:
            All entries that are whole now, and pieces of those that are too long.
        """
        decoded = self._lines.feed(data)
        self._line_due = now + IDLE_SECONDS
        if self._entries is not None and decoded.lines.count:
            decoded = self._entries.feed(decoded, self._lines.fed_bytes)
            self._entry_due = now + self._timeout_seconds
        self._set_due()
        return decoded

    def pause(self, now: float) -> Decoded:
        """Give out what has waited long enough: an entry as it stands, a line as a part."""
        given = NOTHING
        if self._holds_entry and self._entry_due is not None and now >= self._entry_due:
            assert self._entries is not None
            given = self._entries.flush()
        # A line that is not yet there may go on the entry before it.
        if not self._holds_entry and self._line_due is not None and now >= self._line_due:
            given = concatenate([given, self._lines.flush(part=True)])
            self._line_due = None
        self._set_due()
        return given

    def release(self) -> Decoded:
        """Give out the entry that is held, as it stands, but no unfinished line."""
        given = NOTHING if self._entries is None else self._entries.flush()
        self._set_due()
        return given

    def flush(self, *, part: bool = False) -> Decoded:
        """Give out all that is held, at the end of the stream; ``part``: its rest is lost."""
        self.due = None
        last = self._lines.flush(part=part)
        if self._entries is None:
            return last
        return concatenate([self._entries.feed(last), self._entries.flush()])

    @property
    def _holds_entry(self) -> bool:
        return self._entries is not None and self._entries.held_bytes > 0

    def _set_due(self) -> None:
        if self._holds_entry:
            self.due = self._entry_due
        else:
            self.due = self._line_due if self._lines.held_bytes else None
