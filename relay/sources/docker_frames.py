"""
What Docker's engine sends of a container's log, into records.

Pure: fed with bytes split anywhere. A record is a line with the engine's time. Without a
terminal the engine sends frames of two streams, with one it sends bare lines; in both it splits
a line at 16 KiB, and says its time again before each part. What takes longer than a look at all
records at once is done only where one of them needs it.

Source: Docker Engine API, "Attach to a container", stream format; moby, daemon/logger/copier.go.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from struct import Struct
from types import MappingProxyType

__all__ = ["NO_RECORDS", "FrameError", "RecordDecoder", "Records", "parse_time"]

HEADER = Struct(">LL")
"""The stream's number and three zeros; how many bytes follow."""

STREAMS = {0 << 24: 0, 1 << 24: 0, 2 << 24: 1}
"""Numbers of streams as the engine writes them: stdin, which is stdout's echo, stdout, stderr."""

MAX_FRAME_BYTES = 1 << 20
"""The engine's own frames have 16 KiB and a time; plugins may send more."""

PART_BYTES = 16384
TIME_BYTES = 31
"""Of ``2026-11-21T10:00:43.863539987Z`` and a space."""

_TIME = re.compile(
    rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)( |$)", re.ASCII
)


class FrameError(Exception):
    """
    Bytes that no engine sends.

    Args:
        sentence: what was read.
    """


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


class RecordDecoder:
    """
    Decode the answer to one request for a container's log, with its times.

    Cost of feeding is O(bytes); what is unfinished waits, a part of a line at most, and a line
    up to ``max_line_bytes``.

    Args:
        tty: whether the container has a terminal.
        max_line_bytes: a longer line is cut into pieces, never inside a UTF-8 character.
    """

    def __init__(self, *, tty: bool, max_line_bytes: int = 256 * 1024) -> None:
        self._frames: _Multiplexed | _Terminal = _Terminal() if tty else _Multiplexed()
        self._parts = _PartJoiner(max_line_bytes)

    @property
    def is_broken_off(self) -> bool:
        """Whether the bytes so far end inside a frame, where no answer ends by itself."""
        return self._frames.is_broken_off

    def feed(self, data: bytes) -> Records:
        """
        Take more bytes.

        Args:
            data: as read, split anywhere.

        Raises:
            FrameError: no engine sends this.
        """
        frames, streams = self._frames.feed(data)
        return self._parts.join(frames, streams) if frames else NO_RECORDS

    def flush(self) -> Records:
        """Give out what is unfinished: last lines without a newline, of a container that ended."""
        frames, streams = self._frames.flush()
        joined = self._parts.join(frames, streams) if frames else NO_RECORDS
        return _concatenated(joined, self._parts.flush())


class _Multiplexed:
    """Frames of two streams: a header of eight bytes, and a line or a part of one."""

    def __init__(self) -> None:
        self._rest = b""

    @property
    def is_broken_off(self) -> bool:
        return bool(self._rest)

    def feed(self, data: bytes) -> tuple[list[bytes], bytes]:
        if self._rest:
            data = self._rest + data
        frames: list[bytes] = []
        numbers: list[int] = []
        unpack, position, size = HEADER.unpack_from, 0, len(data)
        while position + 8 <= size:
            number, length = unpack(data, position)
            stop = position + 8 + length
            if stop > size:
                if length > MAX_FRAME_BYTES:
                    raise FrameError(f"a frame of {length} bytes")
                break
            frames.append(data[position + 8 : stop])
            numbers.append(number)
            position = stop
        self._rest = data[position:]
        if self._rest and self._rest[0] > 2:
            raise FrameError(f"a frame of stream {self._rest[0]}")
        try:
            return frames, bytes([STREAMS[number] for number in numbers])
        except KeyError as error:
            raise FrameError(f"a frame of stream {error.args[0] / (1 << 24):g}") from None

    def flush(self) -> tuple[list[bytes], bytes]:
        self._rest = b""
        return [], b""


class _Terminal:
    """Lines; before each its time, and again wherever the engine has split it."""

    def __init__(self) -> None:
        self._rest = b""

    @property
    def is_broken_off(self) -> bool:
        return 0 < len(self._rest) < TIME_BYTES

    def feed(self, data: bytes) -> tuple[list[bytes], bytes]:
        *lines, rest = (self._rest + data if self._rest else data).split(b"\n")
        frames = [line + b"\n" for line in lines]
        if frames and max(map(len, frames)) > PART_BYTES + TIME_BYTES:
            frames = [part for line in frames for part in _parts(line)]
        # A whole part more than one may be given out: what follows is its own.
        if len(rest) >= PART_BYTES + 2 * TIME_BYTES:
            *parts, rest = _parts(rest)
            frames += parts
        self._rest = rest
        return frames, bytes(len(frames))

    def flush(self) -> tuple[list[bytes], bytes]:
        frames, self._rest = [self._rest] if self._rest else [], b""
        return frames, bytes(len(frames))


def _parts(line: bytes) -> Iterator[bytes]:
    """Undo what the engine did to a long line: give its parts, each with the time before it."""
    head = line[: _text_start(line)]
    most = PART_BYTES + len(head)
    # A newline that is left alone is the end of a line that fills its parts.
    while len(line) > most:
        yield line[:most]
        line = line[most:]
        if not line.startswith(head):
            line = head + line
    yield line


class _PartJoiner:
    """Parts of lines into lines; lines that are too long into pieces."""

    def __init__(self, max_line_bytes: int) -> None:
        self._most = max_line_bytes
        self._open: dict[int, _OpenLine] = {}

    def join(self, frames: list[bytes], streams: bytes) -> Records:
        times, texts = _split_times(frames)
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
        *pieces, rest = _pieces(b"".join(self._held), most)
        self._held, self._held_bytes = [rest], len(rest)
        return self._numbered(pieces)

    def finish(self, most: int) -> list[tuple[int | None, bytes]]:
        """Return the line, or its last pieces with their offsets."""
        text = b"".join(self._held).removesuffix(b"\n")
        pieces = list(_pieces(text, most))
        if not self._offset and len(pieces) == 1:
            return [(None, pieces[0])]
        return self._numbered(piece for piece in pieces if piece)

    def _numbered(self, pieces: "Iterator[bytes] | list[bytes]") -> list[tuple[int | None, bytes]]:
        given: list[tuple[int | None, bytes]] = []
        for piece in pieces:
            given.append((self._offset, piece))
            self._offset += len(piece)
        return given


def _pieces(line: bytes, most: int) -> Iterator[bytes]:
    """Cut a line into pieces of at most ``most`` bytes, not inside a character."""
    start = 0
    while len(line) - start > most:
        stop = start + most
        # A continuation byte is 10xxxxxx; a character has at most three of them.
        stop -= next((back for back in range(4) if line[stop - back] & 0xC0 != 0x80), 0)
        yield line[start:stop]
        start = stop
    yield line[start:]


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


def _concatenated(first: Records, second: Records) -> Records:
    if not (first.texts and second.texts):
        return first if first.texts else second
    count = len(first)
    moved = {index + count: offset for index, offset in second.offsets.items()}
    return Records(
        [*first.times, *second.times],
        first.streams + second.streams,
        [*first.texts, *second.texts],
        {**first.offsets, **moved},
    )


def _split_times(frames: list[bytes]) -> tuple[list[int], list[bytes]]:
    """Return the time and the text of each frame."""
    if {frame[29:31] for frame in frames} == {b"Z "}:
        seconds = {frame[:20] for frame in frames}
        try:
            starts = {head: _second(head) for head in seconds}
            times = [starts[frame[:20]] + int(frame[20:29]) for frame in frames]
        except ValueError:
            pass  # Shorter times may end there by chance.
        else:
            return times, [frame[31:] for frame in frames]
    # Podman leaves zeros out, and has a zone.
    heads = [frame[: _text_start(frame)] for frame in frames]
    texts = [frame[len(head) :] for frame, head in zip(frames, heads, strict=True)]
    try:
        return [parse_time(head.rstrip(b" ")) for head in heads], texts
    except ValueError as error:
        # A month 13.
        raise FrameError(str(error)) from None


def _second(head: bytes) -> int:
    if head[19:] != b".":
        raise ValueError("no fraction")
    return parse_time(head[:19] + b"Z")


def _text_start(frame: bytes) -> int:
    """Return where the text begins, after its time."""
    found = _TIME.match(frame)
    if found is None:
        raise FrameError(f"no time before {frame[:40]!r}")
    return found.end()


def parse_time(text: bytes) -> int:
    """
    Return a time in nanoseconds since the epoch.

    Args:
        text: as in RFC 3339.

    Raises:
        ValueError: it is none.
    """
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(f"no time: {text!r}")
    second = datetime.fromisoformat((found[1] + found[3].replace(b"Z", b"+00:00")).decode())
    return int(second.timestamp()) * 1_000_000_000 + int((found[2] or b"0").ljust(9, b"0"))
