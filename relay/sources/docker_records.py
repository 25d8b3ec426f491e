"""
Records of a container's log: lines with the engine's time, whole or in pieces.

Pure. The engine splits a line into parts, which are joined here; a line that is longer than may
be held is cut into pieces, each of which says where in its line it begins.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from relay.decode.lines import cut_line

__all__ = ["NO_RECORDS", "PartJoiner", "Records"]


@dataclass(frozen=True, slots=True)
class Records:
    """
    Consecutive records, whole lines and pieces of over-long ones.

    Args:
        times: nanoseconds since the epoch, by the engine.
        streams: of each the stream, one byte: 0 stdout, 1 stderr.
        texts: of each the line, raw, with one newline at its end.
        offsets: of the pieces of a longer line, by index: with which of its bytes each begins.
    """

    times: Sequence[int] = ()
    streams: bytes = b""
    texts: Sequence[bytes] = ()
    offsets: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))

    def __len__(self) -> int:
        return len(self.texts)

    def __add__(self, more: "Records") -> "Records":
        if not (self.texts and more.texts):
            return self if self.texts else more
        count = len(self)
        moved = {index + count: offset for index, offset in more.offsets.items()}
        return Records(
            [*self.times, *more.times],
            self.streams + more.streams,
            [*self.texts, *more.texts],
            {**self.offsets, **moved},
        )

    def picked(self, indexes: Sequence[int]) -> "Records":
        """Return those at some indexes, in order."""
        if len(indexes) == len(self.texts):
            return self
        offsets = {
            new: self.offsets[old] for new, old in enumerate(indexes) if old in self.offsets
        }
        return Records(
            [self.times[index] for index in indexes],
            bytes([self.streams[index] for index in indexes]),
            [self.texts[index] for index in indexes],
            offsets,
        )


NO_RECORDS = Records()


class PartJoiner:
    """
    Join parts of lines to lines, and cut lines that are too long into pieces.

    Args:
        max_line_bytes: of a piece, at most; none ends inside a UTF-8 character.
    """

    def __init__(self, max_line_bytes: int) -> None:
        self._most = max_line_bytes
        self._open: dict[int, _OpenLine] = {}

    @property
    def open_lines(self) -> list[tuple[int, int]]:
        """Of each line of which more is to come its stream and its time."""
        return [(line.stream, line.time) for line in self._open.values()]

    def join(self, times: list[int], streams: bytes, texts: list[bytes]) -> Records:
        """Take at least one part, each with its time and stream; a last one ends in a newline."""
        longest = max(map(len, texts))
        if self._open or longest > self._most or not _are_whole(texts):
            return self._join_each(times, streams, texts)
        return Records(times, streams, texts)

    def _join_each(self, times: list[int], streams: bytes, texts: list[bytes]) -> Records:
        out = _Out()
        for time, stream, text in zip(times, streams, texts, strict=True):
            line = self._open.get(stream)
            if line is not None and line.time != time:
                # The last line, unfinished, of an earlier run.
                out.take(line, line.finish(self._most))
                line = None
            if line is None:
                line = self._open[stream] = _OpenLine(time, stream)
            line.add(text)
            if text.endswith(b"\n"):
                del self._open[stream]
                out.take(line, line.finish(self._most))
            else:
                out.take(line, line.cut(self._most))
        return out.records()

    def flush(self) -> Records:
        """Give out lines that have no end."""
        out = _Out()
        for line in self._open.values():
            out.take(line, line.finish(self._most))
        self._open = {}
        return out.records()


def _are_whole(texts: list[bytes]) -> bool:
    ends = [text[-1:] for text in texts]
    return ends.count(b"\n") == len(ends)


class _OpenLine:
    """A line of which more is to come."""

    def __init__(self, time: int, stream: int) -> None:
        self.time = time
        self.stream = stream
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._offset = 0

    def add(self, text: bytes) -> None:
        self._held.append(text)
        self._held_bytes += len(text)

    def cut(self, most: int) -> list[tuple[int | None, bytes]]:
        """Return pieces, with their offsets, of what is too much to be held."""
        if self._held_bytes <= most:
            return []
        *pieces, rest = cut_line(b"".join(self._held), most)
        self._held, self._held_bytes = [rest], len(rest)
        return self._numbered(pieces)

    def finish(self, most: int) -> list[tuple[int | None, bytes]]:
        """Return the line, or its last pieces with their offsets."""
        text = b"".join(self._held).removesuffix(b"\n")
        pieces = cut_line(text, most)
        if not self._offset and len(pieces) == 1:
            return [(None, pieces[0])]
        return self._numbered([piece for piece in pieces if piece])

    def _numbered(self, pieces: Sequence[bytes]) -> list[tuple[int | None, bytes]]:
        given: list[tuple[int | None, bytes]] = []
        for piece in pieces:
            given.append((self._offset, piece))
            self._offset += len(piece)
        return given


class _Out:
    """Collects records."""

    def __init__(self) -> None:
        self._times: list[int] = []
        self._streams = bytearray()
        self._texts: list[bytes] = []
        self._offsets: dict[int, int] = {}

    def take(self, line: _OpenLine, pieces: list[tuple[int | None, bytes]]) -> None:
        for offset, text in pieces:
            if offset is not None:
                self._offsets[len(self._texts)] = offset
            self._times.append(line.time)
            self._streams.append(line.stream)
            self._texts.append(text + b"\n")

    def records(self) -> Records:
        return Records(self._times, bytes(self._streams), self._texts, self._offsets)
