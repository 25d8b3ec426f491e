"""
The text of a segment: NDJSON, the objects that go over the wire at their place by id.

* ``log``: an entry, as :mod:`relay.encode.ndjson` renders it.
* ``gap``, with reason ``storage`` or ``restart`` and a count: a *hole*. Its entries had ids in
  ``after + 1`` to ``until`` and consecutive seqs, and were not stored.
* ``gap``, any other: a declared loss. It has a hub id (``until``) and no seq.
* ``complete``: the end of a run, for people and for rebuilding the index; readers pass it by.
* ``lines`` and ``end``, where no people are to read it: see :mod:`relay.store.bundles`.

What is written here is read by :mod:`relay.store.parsing`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

from relay.block import DeclaredLoss
from relay.encode.ndjson import NdjsonEncoder
from relay.entry import Gap, Reason
from relay.run import Counted, Ending, Start
from relay.selection import ALL
from relay.span import Span
from relay.store.bundles import bundled, bundles

__all__ = [
    "CHUNK_BYTES",
    "MAX_PIECES",
    "NO_TEXTS",
    "OBJECT",
    "Record",
    "Texts",
    "chunks",
    "hole",
    "prepared",
    "render",
    "render_pieces",
    "unbundled",
    "unbundled_chunks",
]

Record = Span | DeclaredLoss | Gap | Ending | Start | Counted
"""What is written: a ``Gap`` is a hole, made by :func:`hole`."""

Texts = Mapping[int, bytes]
"""The lines of whole blocks, by their keys."""

NO_TEXTS: Texts = MappingProxyType({})

CHUNK_BYTES = 256 * 1024
"""About how much of a segment is read at once; where chunks end: :func:`chunks`."""

OBJECT = b"\n{"
"""Behind this newline a chunk may begin."""

MAX_PIECES = 512
"""One call writes them all: Linux takes 1024."""

_ENCODER = NdjsonEncoder()


def prepared(
    records: Sequence[Record], most_bytes: int, is_archived: Callable[[str], bool]
) -> Texts:
    """
    Return the lines of whole blocks, by their keys, for :func:`render_pieces`.

    Args:
        records: of which; spans are of all of a block.
        most_bytes: of text that is made objects, after which it stops.
        is_archived: whether people are to read what is kept of a channel; else what can be
            is bundled.
    """
    texts: dict[int, bytes] = {}
    for record in records:
        if not isinstance(record, Span):
            continue
        block = record.block
        text = None if is_archived(block.channel) else bundled(block)
        if text is None and most_bytes > 0:
            text = _ENCODER.entries(record, ALL)
            most_bytes -= len(block.lines.text)
        if text is not None:
            texts[block.key] = text
    return texts


def unbundled(channel: str, text: bytes) -> bytes:
    """
    Return a text of a channel's segment with objects in the place of bundles.

    It may be a hundred times as long. What is damaged stays as it is, so that it is known where
    something is missing.
    """
    parts: list[bytes] = []
    start = 0
    for bundle in bundles(channel, text):
        parts.append(text[start : bundle.start])
        parts += [_ENCODER.entries(Span(one, 0, one.count), ALL) for one in bundle.blocks]
        start = bundle.sound
    return b"".join([*parts, text[start:]]) if parts else text


def unbundled_chunks(channel: str, text: bytes) -> Iterator[bytes]:
    """Give the chunks of a channel's segment with objects in the place of bundles."""
    for chunk in chunks(text):
        # One without bundles stays one.
        yield from chunks(unbundled(channel, chunk))


def render(records: Sequence[Record]) -> bytes:
    """Return the lines of records in the order of ids; starts and counts have none."""
    return b"".join(render_pieces(records))


def render_pieces(records: Sequence[Record], texts: Texts = NO_TEXTS) -> list[bytes]:
    """
    Return the lines of records in the order of ids, some in each piece.

    Args:
        records: starts and counts have no lines.
        texts: those of whole blocks that are there already.
    """
    pieces = [_rendered(record, texts) for record in records]
    return pieces if len(pieces) <= MAX_PIECES else [b"".join(pieces)]


def _rendered(record: Record, texts: Texts) -> bytes:
    if isinstance(record, Span):
        text = texts.get(record.block.key)
        if text is not None and record.stop - record.start == record.block.count:
            return text
        return _ENCODER.entries(record, ALL)
    if isinstance(record, Ending):
        return _ENCODER.ending(record)
    if isinstance(record, Gap):
        return _ENCODER.gap(record)
    if isinstance(record, DeclaredLoss):
        loss = record.loss
        id_, channel = record.id, record.channel
        gap = Gap(id_, channel, id_ - 1, id_, loss.count, loss.at_least, loss.reason)
        return _ENCODER.gap(gap)
    return b""


def hole(channel: str, first_id: int, last_id: int, count: int, reason: Reason) -> Gap:
    """
    Return the record of entries that had ids and seqs and are not stored.

    Args:
        channel: of which they are missing.
        first_id: all of them have this id or a greater one.
        last_id: all of them have this id or a lesser one.
        count: how many, at least one.
        reason: ``storage`` or ``restart``.
    """
    return Gap(last_id, channel, first_id - 1, last_id, count, count, reason)


def chunks(text: bytes) -> Iterator[bytes]:
    """Cut before the first object behind each multiple of 256 KiB."""
    start = 0
    while start < len(text):
        multiple = max(CHUNK_BYTES, -(-start // CHUNK_BYTES) * CHUNK_BYTES)
        end = text.find(OBJECT, multiple) + 1 or len(text)
        yield text[start:end]
        start = end
