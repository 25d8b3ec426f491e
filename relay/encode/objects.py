"""
The objects that go over the wire, as JSON: one rendering for every format.

Rule of this file: everything is made for a whole span at once: messages by one call of orjson,
heads (all that stands between ``seq`` and the message) once per origin and level. All of a span
is put together by slices alone, as :func:`side_by_side`, 0.06 µs a line; what is selected of one
by a ``%`` of bytes for each line, 0.2 µs.

The quotes around a message are its neighbours': heads and tails are the same for many.

Source: DESIGN section 6, "What goes over the wire".
"""

import time
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import compress
from typing import Any

import orjson

from relay.block import Block
from relay.encode.recent import RECENT
from relay.entry import Gap, Level, Origin
from relay.lines import Lines
from relay.run import Ending
from relay.selection import ALL, NONE, Selection
from relay.span import Span

__all__ = [
    "columns",
    "cursor_object",
    "digits",
    "ending_object",
    "error_object",
    "gap_object",
    "hello_object",
    "object_columns",
    "rows",
    "side_by_side",
    "timestamp",
    "timestamps",
]

TABLE_SIZE = 10_000
"""The last four digits of numbers are made once."""

Row = tuple[int, int, bytes, bytes]
"""Of one entry: id, seq, head and message; the last two are ready JSON, but for a last quote."""


def columns(span: Span, selection: Selection) -> Iterable[Row]:
    """
    Return what each selected entry's object is put together from.

    An object is ``b'{"type":"log","id":%d,"seq":%d%b%b"}' % (id, seq, head, message)``.
    """
    if selection is NONE:
        return ()
    block, start, stop = span.block, span.start, span.stop
    first_seq = block.first_seq
    rows = zip(
        block.id_range(start, stop),
        range(first_seq + start, first_seq + stop),
        _heads(block, start, stop),
        _messages(block, start, stop, selection),
        strict=True,
    )
    if selection is ALL:
        return rows
    return compress(rows, selection[start:stop])


def object_columns(
    span: Span, before: bytes = b"", *, is_remembered: bool = False
) -> list[Sequence[bytes]]:
    """
    Return the objects of all entries of a span, without their last quote and brace, as columns.

    Args:
        span: of which.
        before: what stands before each.
        is_remembered: whether others will want them soon.
    """
    block, start, stop = span.block, span.start, span.stop
    rendered = RECENT.find(span)
    if rendered is None:
        rendered = _heads(block, start, stop), _messages(block, start, stop, ALL)
        if is_remembered:
            RECENT.keep(span, rendered)
    seqs = range(block.first_seq + start, block.first_seq + stop)
    return [
        *digits(block.id_range(start, stop), before + b'{"type":"log","id":'),
        *digits(seqs, b',"seq":'),
        *rendered,
    ]


def digits(numbers: Sequence[int], before: bytes) -> list[Sequence[bytes]]:
    """Return columns of numbers that grow, with the same before each."""
    first, count = numbers[0], len(numbers)
    if first < TABLE_SIZE or numbers[-1] - first + 1 != count:
        return [[b"%b%d" % (before, number) for number in numbers]]
    heads: list[bytes] = []
    tails: list[bytes] = []
    table = _last_digits()
    while count:
        head, tail = divmod(first, TABLE_SIZE)
        step = min(count, TABLE_SIZE - tail)
        heads += [b"%b%d" % (before, head)] * step
        tails += table[tail : tail + step]
        first, count = first + step, count - step
    return [heads, tails]


@lru_cache(1)
def _last_digits() -> list[bytes]:
    return [b"%04d" % number for number in range(TABLE_SIZE)]


def side_by_side(columns: Sequence[Sequence[bytes]], end: bytes) -> bytes:
    """
    Return the rows of columns, which are equally long, one behind the other.

    Args:
        columns: each cell of the first begins with the end of the row before.
        end: of a row: a column of its own would cost as much as every other.
    """
    width = len(columns)
    cells = [b""] * (width * len(columns[0]))
    for place, column in enumerate(columns):
        cells[place::width] = column
    cells[0] = cells[0].removeprefix(end)
    cells.append(end)
    return b"".join(cells)


def rows(columns: Sequence[Sequence[bytes]]) -> list[bytes]:
    """Return the rows of columns, which are equally long."""
    return list(map(b"".join, zip(*columns, strict=True)))


def _messages(block: Block, start: int, stop: int, selection: Selection) -> Sequence[bytes]:
    """Return what stands in each entry's message as JSON; of what is not selected nothing."""
    kept = RECENT.find(Span(block, start, stop))
    if kept is not None:
        return kept[1]
    lines = block.lines.slice(start, stop)
    if not isinstance(selection, bytes):
        return _escaped(lines)
    wanted = selection[start:stop]
    chosen = iter(_each_escaped(list(compress(lines.strings(), wanted))))
    return [next(chosen) if one else b"" for one in wanted]


MARK = b"\x7f"
"""What JSON leaves as it is, and hardly any text has."""


def _escaped(lines: Lines) -> list[bytes]:
    """
    Encode entries as one text in which a mark stands between them.

    0.05 µs a line, half of what it takes to have a string for each.
    """
    if lines.has_newlines or MARK in lines.text:
        return _each_escaped(lines.strings())
    text = lines.text[:-1].replace(b"\n", MARK).decode()
    return orjson.dumps(text)[1:-1].split(MARK)


def _each_escaped(strings: list[str]) -> list[bytes]:
    """
    Encode many strings at once.

    With an indent every element stands on a line of its own, and a raw newline cannot occur
    inside a JSON string: 0.1 µs a line against 0.6 for a call each.
    """
    if not strings:
        return []
    return orjson.dumps(strings, option=orjson.OPT_INDENT_2)[5:-3].split(b'",\n  "')


def _heads(block: Block, start: int, stop: int) -> list[bytes]:
    """Return for each entry all that stands between its seq and its message."""
    before = b',"channel":"%b","timestamp":"' % block.channel.encode()
    levels = block.levels[start:stop]
    if block.timestamps is None and block.origin_index is None:
        # As published by one reader: one head for each level.
        before += timestamp(block.arrival_ns)
        heads = [before + rest for rest in _rests(block.origins[0])]
        if levels.count(levels[0]) == len(levels):
            rows = [heads[levels[0]]] * len(levels)
        else:
            rows = [heads[level] for level in levels]
    else:
        stamps = timestamps(block.timestamp_range(start, stop))
        rests = _rests_of(block, start, stop)
        rows = [before + stamp + rest for stamp, rest in zip(stamps, rests, strict=True)]
    for part in block.parts:
        if start <= part < stop:
            rows[part - start] = _inserted(rows[part - start], b',"part":true')
    if block.fields is not None:
        for index, fields in enumerate(block.fields.slice(start, stop).split()):
            if fields:
                rows[index] = _inserted(rows[index], b',"fields":' + fields)
    return rows


def _inserted(head: bytes, member: bytes) -> bytes:
    return head.removesuffix(_MESSAGE) + member + _MESSAGE


def _rests_of(block: Block, start: int, stop: int) -> list[bytes]:
    """Return for each entry what stands from behind its timestamp up to its message."""
    tables = [_rests(origin) for origin in block.origins]
    levels = block.levels[start:stop]
    if block.origin_index is None:
        table = tables[0]
        return [table[level] for level in levels]
    places = block.origin_index[start:stop]
    return [tables[place][level] for place, level in zip(places, levels, strict=True)]


_LEVEL_WORDS = [level.word.encode() for level in Level]


_MESSAGE = b',"message":"'


@lru_cache(4096)
def _rests(origin: Origin) -> list[bytes]:
    """Return what stands from behind the timestamp up to the message, for each level."""
    rest = b'","stream":"%b","source":%b' % (
        origin.stream.word.encode(),
        orjson.dumps(origin.source),
    )
    if origin.instance is not None:
        rest += b',"instance":' + orjson.dumps(origin.instance)
    if origin.run is not None:
        rest += b',"run":' + orjson.dumps(origin.run)
    rest += _MESSAGE
    return [b'","level":"' + word + rest for word in _LEVEL_WORDS]


def timestamp(ns: int) -> bytes:
    """Return nanoseconds since the epoch as RFC 3339 in UTC, with all nine digits."""
    seconds, fraction = divmod(ns, 1_000_000_000)
    return b"%b.%09dZ" % (_second(seconds), fraction)


def timestamps(all_ns: Sequence[int]) -> list[bytes]:
    """Return many times as :func:`timestamp` does; each second is formatted once."""
    pairs = [divmod(ns, 1_000_000_000) for ns in all_ns]
    texts = {seconds: _second(seconds) for seconds in {pair[0] for pair in pairs}}
    return [b"%b.%09dZ" % (texts[seconds], fraction) for seconds, fraction in pairs]


def _second(seconds: int) -> bytes:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)).encode()


def hello_object(version: str, cursor: int, channels: Sequence[str], **more: Any) -> bytes:
    """Return the start of a stream, with what ``more`` it is to carry."""
    hello = {"type": "hello", "version": version, "cursor": cursor, "channels": list(channels)}
    return orjson.dumps(hello | more)


def gap_object(gap: Gap) -> bytes:
    """Return what is missing."""
    return orjson.dumps(
        {
            "type": "gap",
            "id": gap.id,
            "channel": gap.channel,
            "after": gap.after,
            "until": gap.until,
            "count": gap.count,
            "at_least": gap.at_least,
            "reason": gap.reason,
        }
    )


def ending_object(ending: Ending) -> bytes:
    """Return the end of a run."""
    return orjson.dumps(
        {
            "type": "complete",
            "id": ending.id,
            "channel": ending.channel,
            "run": ending.run,
            "timestamp": timestamp(ending.timestamp_ns).decode(),
            "status": ending.status,
            "exit_code": ending.exit_code,
            "signal": ending.signal,
        }
    )


def cursor_object(cursor: int) -> bytes:
    """Return a heartbeat."""
    return b'{"type":"cursor","id":%d}' % cursor


def error_object(code: str, message: str, **more: Any) -> bytes:
    """Return why something could not be given, with what ``more`` a program may want."""
    return orjson.dumps({"type": "error", "code": code, "message": message, **more})
