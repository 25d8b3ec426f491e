"""
Bundles: lines of one origin as they are, between an object that says what is theirs and an end.

Segments that only the relay reads, those of channels that are not archived, hold them: to make
an object of every line costs more than all else that storing it takes, and twice the disk. ::

    {"type":"lines","id":7,"seq":7,"count":2,"channel":"web","timestamp_ns":…,"level":"info",…}
     the first line
     the second line
    <tab>{"type":"end","id":8,"seq":8,"channel":"web"}

Rules of this file:

* A line of text begins with a blank, its end with a tab, and all else with a brace: no text is
  taken for an object, and a chunk may begin at any brace behind a newline.
* Ids and seqs are counted from the first. So of what is damaged only that is taken which stands
  before the damage, and nothing where nobody knows where that is.
* Text with a NUL is in no bundle: in a file it is what a disk has lost.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import orjson

from relay.block import Block
from relay.entry import Level, Origin, Stream
from relay.lines import Lines

__all__ = ["BLOCK_BYTES", "BLOCK_ENTRIES", "Bundle", "bundled", "bundles"]

LEAST_ENTRIES = 8
"""Of fewer the objects are shorter than what stands around a bundle."""

MAX_BYTES = 160 * 1024
"""About the most text of one: a chunk holds all of it. What a file gives in a turn is less."""

BLOCK_ENTRIES = 1024
BLOCK_BYTES = 64 * 1024
"""Most entries, and about the most text, of a block that is read: as of a packed one."""

MAX_COUNT = 1 << 20
"""Lines of one are far fewer: what a damaged head claims must not fill the memory."""

MAX_NUMBER = 10**16
MAX_NS = (1 << 63) - 1

_BEGIN = b'{"type":"lines",'
_END = b'\t{"type":"end",'
_NEWLINE = re.compile(rb"\n")
_LINE_END = re.compile(rb"\n(?! )")

_LETTERS = b"".join(level.word[:1].encode() for level in Level)
_TO_LETTERS = _LETTERS.ljust(256, b"?")
_FROM_LETTERS = bytes(max(0, _LETTERS.find(byte)) for byte in range(256))
_LEVELS = {level.word: level for level in Level}
_STREAMS = {stream.word: stream for stream in Stream}


# Writing


def bundled(block: Block) -> bytes | None:
    """Return all of a block as bundles; ``None``: it is not of the kind that can be."""
    lines = block.lines
    if (
        block.count < LEAST_ENTRIES
        or len(block.origins) > 1
        or lines.has_newlines
        or block.parts
        or any(column is not None for column in (block.ids, block.timestamps, block.fields))
        or b"\0" in lines.text
    ):
        return None
    if len(lines.text) <= MAX_BYTES:
        return _bundle(block, 0, block.count, lines.text)
    return b"".join(_several(block))


def _several(block: Block) -> Iterator[bytes]:
    text, first, start = block.lines.text, 0, 0
    while start < len(text):
        newline = text.rfind(b"\n", start, start + MAX_BYTES)
        if newline < 0:
            newline = text.find(b"\n", start)
        some = text[start : newline + 1]
        count = some.count(b"\n")
        yield _bundle(block, first, count, some)
        first, start = first + count, newline + 1


def _bundle(block: Block, first: int, count: int, text: bytes) -> bytes:
    levels, origin = block.levels[first : first + count], block.origins[0]
    head: dict[str, Any] = {
        "type": "lines",
        "id": block.first_id + first,
        "seq": block.first_seq + first,
        "count": count,
        "channel": block.channel,
        "timestamp_ns": block.arrival_ns,
        "stream": origin.stream.word,
        "source": origin.source,
    }
    if levels.count(levels[0]) == count:
        head["level"] = Level(levels[0]).word
    else:
        head["levels"] = levels.translate(_TO_LETTERS).decode()
    if origin.instance is not None:
        head["instance"] = origin.instance
    if origin.run is not None:
        head["run"] = origin.run
    return b"".join(
        [
            orjson.dumps(head),
            b"\n ",
            text[:-1].replace(b"\n", b"\n "),
            b"\n",
            _end(block.channel, block.first_id + first, block.first_seq + first, count),
        ]
    )


def _end(channel: str, id_: int, seq: int, count: int) -> bytes:
    last_id, last_seq = id_ + count - 1, seq + count - 1
    return b'%b"id":%d,"seq":%d,"channel":%b}\n' % (
        _END,
        last_id,
        last_seq,
        orjson.dumps(channel),
    )


# Reading


@dataclass(frozen=True, slots=True)
class Bundle:
    """
    A bundle as it was found, maybe damaged.

    Args:
        start: where it begins in its text.
        stop: where it ends.
        sound: where that ends which is taken of it.
        blocks: of the lines that are taken.
        is_whole: whether these are all.
    """

    start: int
    stop: int
    sound: int
    blocks: list[Block] = field(default_factory=list)
    is_whole: bool = False


def bundles(channel: str, text: bytes) -> Iterator[Bundle]:
    """
    Find the bundles of a text, in their order; no text makes it raise.

    Args:
        channel: whose segment it is; lines of another are left out.
        text: of a segment.
    """
    start = 0 if text.startswith(_BEGIN) else _next(text, 1)
    while start >= 0:
        found = _found(channel, text, start)
        yield found
        start = _next(text, found.stop)


def _next(text: bytes, start: int) -> int:
    newline = text.find(b"\n" + _BEGIN, start - 1)
    return newline + 1 if newline >= 0 else -1


def _found(channel: str, text: bytes, start: int) -> Bundle:
    body_start = text.find(b"\n", start) + 1
    if not body_start:
        return Bundle(start, len(text), start)
    limit = text.find(b"\n{", body_start - 1) + 1 or len(text)
    body_stop = text.find(b"\n\t", body_start - 1, limit) + 1 or limit
    # One that was cut has no end, or not all of it.
    stop = (text.startswith(_END, body_stop) and text.find(b"\n", body_stop) + 1) or body_stop
    head = _head(channel, text[start : body_start - 1])
    if head is None:
        return Bundle(start, stop, start)
    body = text[body_start:body_stop]
    length = _sound_length(body)
    count = body.count(b"\n", 0, length)
    has_end, is_sound = stop > body_stop, length == len(body)
    agrees = text[body_stop:stop] == _end(channel, head.id, head.seq, head.count)
    is_whole = agrees and is_sound and count == head.count
    # What is cut, or damaged at a place that shows, is sound before that.
    is_explained = not has_end or (agrees and not is_sound)
    if not is_whole and (count > head.count or not is_explained):
        length = count = 0
    sound = stop if is_whole else (body_start + length if count else start)
    return Bundle(start, stop, sound, list(_blocks(channel, head, body[:length])), is_whole)


def _sound_length(body: bytes) -> int:
    """Return where the last line ends before which nothing is damaged."""
    if not body.startswith(b" "):
        return 0
    limit = body.find(b"\0")
    if limit < 0:
        limit = len(body)
    if not body.isascii():
        try:
            body[:limit].decode()
        except UnicodeDecodeError as error:
            limit = error.start
    # Behind the last newline there is nothing; behind one that was no newline there is no blank.
    found = _LINE_END.search(body, 0, limit)
    if found is not None and found.end() < limit:
        limit = found.start()
    return body.rfind(b"\n", 0, limit) + 1


@dataclass(frozen=True, slots=True)
class _Head:
    """What stands before the lines of a bundle."""

    id: int
    seq: int
    count: int
    timestamp_ns: int
    levels: bytes
    origin: Origin


def _head(channel: str, line: bytes) -> _Head | None:
    try:
        said: dict[str, Any] = orjson.loads(line)
        id_, seq, count, timestamp_ns = (
            said[key] for key in ("id", "seq", "count", "timestamp_ns")
        )
        if said["channel"] != channel or not _are_numbers(id_, seq, count, timestamp_ns):
            return None
        levels = bytes([_LEVELS[said["level"]]]) * count if "level" in said else _said(said)
        words = [said["source"], *[said[key] for key in ("instance", "run") if key in said]]
        if len(levels) != count or set(map(type, words)) != {str}:
            return None
        stream = _STREAMS[said["stream"]]
        origin = Origin(said["source"], said.get("instance"), said.get("run"), stream)
        return _Head(id_, seq, count, timestamp_ns, levels, origin)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _said(head: dict[str, Any]) -> bytes:
    letters: bytes = head["levels"].encode()
    if letters.translate(None, _LETTERS):
        raise ValueError("a letter is a level's")
    return letters.translate(_FROM_LETTERS)


def _are_numbers(id_: object, seq: object, count: object, timestamp_ns: object) -> bool:
    numbers = [(id_, MAX_NUMBER), (seq, MAX_NUMBER), (count, MAX_COUNT)]
    if any(type(one) is not int or not 0 < one < most for one, most in numbers):
        return False
    return type(timestamp_ns) is int and -MAX_NS - 1 <= timestamp_ns <= MAX_NS


def _blocks(channel: str, head: _Head, body: bytes) -> Iterator[Block]:
    """Give lines, which are sound, as blocks that are not large."""
    text, first, start = body[1:].replace(b"\n ", b"\n"), 0, 0
    while start < len(text):
        some = text[start : _block_end(text, start)]
        count = some.count(b"\n")
        yield Block(
            channel,
            head.id + first,
            head.seq + first,
            Lines(some, count),
            head.levels[first : first + count],
            (head.origin,),
            arrival_ns=head.timestamp_ns,
        )
        first, start = first + count, start + len(some)


def _block_end(text: bytes, start: int) -> int:
    newline = text.rfind(b"\n", start, start + BLOCK_BYTES)
    end = (newline if newline >= 0 else text.find(b"\n", start)) + 1
    last = next(islice(_NEWLINE.finditer(text, start, end), BLOCK_ENTRIES - 1, None), None)
    return end if last is None else last.end()
