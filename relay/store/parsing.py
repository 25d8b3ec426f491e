"""
The text of a segment, read: see :mod:`relay.store.segment` and :mod:`relay.store.bundles`.

Rules of this file: bytes in, values out. A line that is not wholly as we write it is left out,
and no text makes it raise: since seqs have no holes,
:class:`~relay.store.continuity.Continuity` finds what is missing. Only what
:func:`~relay.store.segment.render` writes can be read: one pattern finds all lines of a chunk,
0.8 µs each, and no object is made per line.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import accumulate, pairwise
from operator import lt
from typing import Any, NamedTuple

import orjson

from relay.block import MAX_ORIGINS, Block, Column, DeclaredLoss
from relay.entry import Level, Loss, Origin, Reason, Stream
from relay.lines import Lines
from relay.marks import Missing
from relay.store.bundles import BLOCK_BYTES, BLOCK_ENTRIES, Bundle, bundles

__all__ = ["Item", "first_id", "last_line", "parse", "pieces"]

Item = Block | DeclaredLoss | Missing
"""What is read: a ``Missing`` is a hole."""

MAX_NS = (1 << 63) - 1
"""Of timestamps, before and after 1970: what sources give and the index can keep."""

_FRAME_LINES = 2
"""Of a whole bundle: the object before its lines, and the one behind."""

HOLE_REASONS = frozenset({Reason.STORAGE, Reason.RESTART})

_STRING = rb'"[^"\\\n]*(?:\\.[^"\\\n]*)*"'
# Ids and seqs of at most 16 digits fit the arrays that keep them.
_NUMBERS = rb'^\{"type":"log","id":(\d{1,16}),"seq":(\d{1,16}),'
# A string holds no raw quote, so the last `,"message":` of a line is the one that counts.
_LOG = (
    _NUMBERS
    + rb'"channel":"%b","timestamp":"([\dT:-]{19})\.(\d{9})Z","level":"(\w+)"'
    + rb',"stream":"(\w+)",("source":%b(?:,"instance":%b)?(?:,"run":%b)?)'
    % (_STRING, _STRING, _STRING)
    + rb'(,"part":true)?(?:,"fields":(\{[^\n]*\}))?,"message":("[^\n]*")\}\n'
)
_ID_OF = re.compile(rb'^\{"type":"(?:log|lines|gap|complete)","id":(\d{1,16}),', re.MULTILINE)
_GAP_OF = re.compile(rb'^(\{"type":"gap","id":[^\n]*\})\n', re.MULTILINE)
_COMPLETE_OF = re.compile(rb'^(\{"type":"complete","id":(\d{1,16}),[^\n]*\})\n', re.MULTILINE)

Row = tuple[bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes]
"""Id, seq, second, nanoseconds, level, stream, origin, part, fields, message: as they stand."""

_LEVELS = {level.word.encode(): level.value for level in Level}
_STREAMS = {stream.word.encode(): stream for stream in Stream}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(64)
def _log_of(channel: str) -> "re.Pattern[bytes]":
    return re.compile(_LOG.replace(b"%b", re.escape(channel.encode())), re.MULTILINE)


def parse(channel: str, text: bytes) -> list[Item]:
    """
    Return what whole lines hold: cost about 2 µs a line.

    Args:
        channel: whose segment it is; lines of another are left out.
        text: a chunk, or any other number of whole lines.

    Returns:
        Blocks, declared losses and holes in the order of ids, without the jumps between them:
        see :class:`~relay.store.continuity.Continuity`. Ids only grow.
    """
    return _parsed(channel, text, list(bundles(channel, text)))


def _parsed(channel: str, text: bytes, found: Sequence[Bundle]) -> list[Item]:
    items: list[Item] = []
    start = 0
    for bundle in found:
        items.extend(_objects(channel, text, start, bundle.start))
        items.extend(bundle.blocks)
        start = bundle.stop
    items.extend(_objects(channel, text, start, len(text)))
    return list(_in_order(items))


def _objects(channel: str, text: bytes, start: int, stop: int) -> list[Item]:
    """Return what stands outside of bundles."""
    items: list[Item] = []
    if text.find(b'{"type":"gap"', start, stop) >= 0:
        for found in _GAP_OF.finditer(text, start, stop):
            items.extend(_entries(channel, text, start, found.start()))
            items.extend(_gap(channel, found[1]))
            start = found.end()
    items.extend(_entries(channel, text, start, stop))
    return items


def pieces(channel: str, text: bytes) -> list[list[Item]]:
    """
    Return what whole lines hold, in a piece of its own what stands behind each that is not whole.

    Costs no more than :func:`parse` where all of them are whole.

    Args:
        channel: whose segment it is.
        text: a chunk, or any other number of lines.
    """
    known = list(bundles(channel, text))
    items = _parsed(channel, text, known)
    count = sum(item.count if isinstance(item, Block) else 1 for item in items)
    count += _FRAME_LINES * sum(bundle.is_whole for bundle in known)
    if b'{"type":"complete"' in text:
        count += sum(_is_complete(channel, line) for line, _ in _COMPLETE_OF.findall(text))
    if count == text.count(b"\n") and text.endswith(b"\n"):
        return [items]
    found: list[list[Item]] = []
    start = 0
    for end in _damaged(channel, text, known):
        found.append(parse(channel, text[start:end]))
        start = end
    # Where each is whole by itself, one does not fit between the others.
    return [*found, parse(channel, text[start:])] if found else [[], items]


def _damaged(channel: str, text: bytes, known: Sequence[Bundle]) -> Iterator[int]:
    """Give where each line, and each bundle, ends that is not whole."""
    start = 0
    for bundle in known:
        yield from _damaged_lines(channel, text, start, bundle.start)
        start = bundle.stop
        if not bundle.is_whole:
            yield start
    yield from _damaged_lines(channel, text, start, len(text))


def _damaged_lines(channel: str, text: bytes, start: int, stop: int) -> Iterator[int]:
    for line in text[start:stop].split(b"\n"):
        begin, start = start, start + len(line) + 1
        if begin < stop and not _line_id(channel, text[begin:start]):
            yield min(start, stop)


def _in_order(items: list[Item]) -> Iterator[Item]:
    last_id = last_seq = 0
    for item in items:
        if item.last_id <= last_id or (not isinstance(item, Missing) and item.first_id <= last_id):
            continue
        if isinstance(item, Block):
            if item.first_seq <= last_seq:
                continue
            last_seq = item.last_seq
        last_id = item.last_id
        yield item


def _gap(channel: str, line: bytes) -> list[Item]:
    """Return the hole or declared loss of a line, or nothing where it is none."""
    try:
        gap: dict[str, Any] = orjson.loads(line)
        reason = Reason(gap["reason"])
        id_, after, until, count, at_least = (
            gap[key] for key in ("id", "after", "until", "count", "at_least")
        )
    except (ValueError, KeyError, TypeError):
        return []
    numbers = [id_, after, until, at_least, *([] if count is None else [count])]
    if gap.get("channel") != channel or not all(
        type(number) is int and 0 <= number < 10**16 for number in numbers
    ):
        return []
    if count is not None and reason in HOLE_REASONS:
        if not 0 < count <= until - after:
            return []
        return [Missing(after + 1, until, count, count, reason, is_placed=False)]
    return [DeclaredLoss(id_, channel, Loss(reason, count, at_least))] if id_ else []


def _entries(channel: str, text: bytes, start: int, stop: int) -> list[Block]:
    rows: list[Row] = _log_of(channel).findall(text, start, stop)
    if not rows:
        return []
    try:
        return _blocks(channel, rows)
    except (ValueError, KeyError, TypeError):
        return _blocks(channel, _growing([row for row in rows if _is_sound(channel, row)]))


def _is_sound(channel: str, row: Row) -> bool:
    try:
        _blocks(channel, [row])
    except (ValueError, KeyError, TypeError):
        return False
    return True


def _growing(rows: list[Row]) -> list[Row]:
    """Leave out rows whose id or seq does not fit between those of their neighbours."""
    kept: list[Row] = []
    last = (0, 0)
    places = [(int(row[0]), int(row[1])) for row in rows]
    for index, place in enumerate(places):
        if not _fits(last, place):
            continue
        following = places[index + 1] if index + 1 < len(places) else None
        if following and not _fits(place, following) and _fits(last, following):
            continue  # it leapt ahead: one damaged number must not cost all that follows
        last = place
        kept.append(rows[index])
    return kept


def _fits(earlier: tuple[int, int], later: tuple[int, int]) -> bool:
    """Tell whether (id, seq) may follow: every seq took an id of its own."""
    return 0 < later[1] - earlier[1] <= later[0] - earlier[0]


def _blocks(channel: str, rows: list[Row]) -> list[Block]:
    """
    Make blocks of rows.

    Raises:
        ValueError: something is not as we write it, or an id or seq does not grow.
        KeyError: a level or stream that is none.
    """
    if not rows:
        return []
    raw_ids, raw_seqs, seconds, fractions, levels, streams, origins, parts, fields, messages = zip(
        *rows, strict=True
    )
    ids, seqs = list(map(int, raw_ids)), list(map(int, raw_seqs))
    if not all(map(lt, ids, ids[1:])) or not all(map(lt, seqs, seqs[1:])) or not seqs[0]:
        raise ValueError("ids and seqs grow")
    starts = {second: _second_ns(second) for second in set(seconds)}
    keys = list(zip(streams, origins, strict=True))
    known = {key: _origin(*key) for key in set(keys)}
    timestamps = [
        starts[second] + int(fraction) for second, fraction in zip(seconds, fractions, strict=True)
    ]
    if max(timestamps) > MAX_NS or min(timestamps) < -MAX_NS - 1:
        raise ValueError("timestamps fit 64 bits")
    columns = _Columns(
        channel=channel,
        ids=ids,
        seqs=seqs,
        timestamps=timestamps,
        levels=bytes([_LEVELS[level] for level in levels]),
        origins=[known[key] for key in keys],
        parts=parts,
        fields=fields if _has_fields(fields) else None,
        messages=[message.encode() for message in _strings(messages)],
    )
    return [columns.block(start, stop) for start, stop in columns.cuts()]


class _Columns(NamedTuple):
    """All rows of a text; see :class:`~relay.block.Block`."""

    channel: str
    ids: list[int]
    seqs: list[int]
    timestamps: list[int]
    levels: bytes
    origins: list[Origin]
    parts: Sequence[bytes]
    fields: Sequence[bytes] | None
    messages: list[bytes]

    def cuts(self) -> Iterator[tuple[int, int]]:
        """Give where blocks start and stop: seqs are consecutive, and blocks are not large."""
        seqs, count = self.seqs, len(self.seqs)
        jumps: list[int] = []
        if seqs[-1] - seqs[0] + 1 != count:
            jumps = [k for k in range(1, count) if seqs[k] != seqs[k - 1] + 1]
        ends = list(accumulate(map(len, self.messages)))
        for start, stop in pairwise([0, *jumps, count]):
            while start < stop:
                before = ends[start - 1] if start else 0
                end = max(start + 1, bisect_right(ends, before + BLOCK_BYTES))
                end = self._few_origins(start, min(stop, start + BLOCK_ENTRIES, end))
                yield start, end
                start = end

    def _few_origins(self, start: int, stop: int) -> int:
        if stop - start <= MAX_ORIGINS or len(set(self.origins[start:stop])) <= MAX_ORIGINS:
            return stop
        seen: set[Origin] = set()
        for index in range(start, stop):
            seen.add(self.origins[index])
            if len(seen) > MAX_ORIGINS:
                return index
        return stop

    def block(self, start: int, stop: int) -> Block:
        ids, timestamps = self.ids[start:stop], self.timestamps[start:stop]
        origins = self.origins[start:stop]
        table = {origin: index for index, origin in enumerate(dict.fromkeys(origins))}
        is_consecutive = ids[-1] - ids[0] + 1 == len(ids)
        is_one_time = timestamps.count(timestamps[0]) == len(timestamps)
        return Block(
            channel=self.channel,
            first_id=ids[0],
            first_seq=self.seqs[start],
            lines=Lines.of(self.messages[start:stop]),
            levels=self.levels[start:stop],
            origins=tuple(table),
            origin_index=bytes([table[one] for one in origins]) if len(table) > 1 else None,
            arrival_ns=timestamps[0],
            timestamps=None if is_one_time else Column(timestamps),
            ids=None if is_consecutive else Column(ids),
            parts=frozenset([k for k, part in enumerate(self.parts[start:stop]) if part]),
            fields=Lines.of(self.fields[start:stop]) if self.fields else None,
        )


def _strings(messages: Sequence[bytes]) -> list[str]:
    strings: list[str] = orjson.loads(b"[" + b",".join(messages) + b"]")
    if len(strings) != len(messages) or set(map(type, strings)) != {str}:
        raise ValueError("a message is one string")
    return strings


def _has_fields(fields: Sequence[bytes]) -> bool:
    held = [one for one in fields if one]
    if not held:
        return False
    objects = orjson.loads(b"[" + b",".join(held) + b"]")
    if len(objects) != len(held) or set(map(type, objects)) != {dict}:
        raise ValueError("fields are one object")
    return True


@lru_cache(4096)
def _origin(stream: bytes, members: bytes) -> Origin:
    known = orjson.loads(b"{" + members + b"}")
    return Origin(known["source"], known.get("instance"), known.get("run"), _STREAMS[stream])


@lru_cache(4096)
def _second_ns(text: bytes) -> int:
    since = datetime.fromisoformat(text.decode() + "+00:00") - _EPOCH
    return since // timedelta(seconds=1) * 1_000_000_000


def first_id(text: bytes) -> int | None:
    """Return the id of the first line that has one; ``None``: there is no such line."""
    found = _ID_OF.search(text)
    return int(found[1]) if found else None


def last_line(channel: str, text: bytes) -> tuple[int, int]:
    """
    Find the last whole line: of bundles it looks at all, 5 ms a MiB, of the rest at the end.

    Returns:
        Where it ends, and the id of its entry, hole, loss or run ending; 0 and 0 where there is
        no whole line.
    """
    end = len(text)
    for bundle in reversed(list(bundles(channel, text))):
        place = _last_object(channel, text, bundle.stop, end)
        if place[1]:
            return place
        if bundle.blocks:
            return bundle.sound, bundle.blocks[-1].last_id
        end = bundle.start
    return _last_object(channel, text, 0, end)


def _last_object(channel: str, text: bytes, first: int, end: int) -> tuple[int, int]:
    """Find the last whole line of a part of a text without bundles."""
    end = text.rfind(b"\n", first, end) + 1
    while end > first:
        start = max(first, text.rfind(b"\n", first, end - 1) + 1)
        id_ = _line_id(channel, text[start:end])
        if id_:
            return end, id_
        end = start
    return 0, 0


def _line_id(channel: str, line: bytes) -> int:
    """Return the id of a whole line; 0: it is not whole."""
    items = parse(channel, line)
    if items:
        return items[0].last_id
    found = _COMPLETE_OF.fullmatch(line)
    return int(found[2]) if found and _is_complete(channel, found[1]) else 0


def _is_complete(channel: str, line: bytes) -> bool:
    try:
        return bool(orjson.loads(line)["channel"] == channel)
    except (ValueError, KeyError):
        return False
