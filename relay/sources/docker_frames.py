"""
What Docker's engine sends of a container's log, into records.

Pure: fed with bytes split anywhere. Without a terminal the engine sends frames of two streams,
with one it sends bare lines; in both it splits a line at 16 KiB, and says its time again before
each part. What takes longer than a look at all frames at once is done only where one of them
needs it.

Source: Docker Engine API, "Attach to a container", stream format; moby, daemon/logger/copier.go.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from struct import Struct

from relay.sources.docker_records import NO_RECORDS, PartJoiner, Records

__all__ = ["FrameError", "RecordDecoder", "parse_time"]

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
        self._parts = PartJoiner(max_line_bytes)

    @property
    def open_lines(self) -> list[tuple[int, int]]:
        """Of each line that has begun and not ended its stream and its time."""
        return self._parts.open_lines

    def feed(self, data: bytes) -> Records:
        """
        Take more bytes.

        Args:
            data: as read, split anywhere.

        Raises:
            FrameError: no engine sends this.
        """
        return self._join(*self._frames.feed(data))

    def flush(self) -> Records:
        """Give out what is unfinished: last lines without a newline, of a container that ended."""
        return self._join(*self._frames.flush()) + self._parts.flush()

    def _join(self, frames: list[bytes], streams: bytes) -> Records:
        if not frames:
            return NO_RECORDS
        times, texts = _split_times(frames)
        return self._parts.join(times, streams, texts)


class _Multiplexed:
    """Frames of two streams: a header of eight bytes, and a line or a part of one."""

    def __init__(self) -> None:
        self._rest = b""

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
