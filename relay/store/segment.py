"""
The text of a segment: NDJSON, the objects that go over the wire at their place by id.

* ``log``: an entry, as :mod:`relay.encode.ndjson` renders it.
* ``gap``, with reason ``storage`` or ``restart`` and a count: a *hole*. Its entries had ids in
  ``after + 1`` to ``until`` and consecutive seqs, and were not stored.
* ``gap``, any other: a declared loss. It has a hub id (``until``) and no seq.
* ``complete``: the end of a run, for people and for rebuilding the index; readers pass it by.

What is written here is read by :mod:`relay.store.parsing`.
"""

from collections.abc import Iterator, Sequence

from relay.block import DeclaredLoss
from relay.encode.ndjson import NdjsonEncoder
from relay.entry import Gap, Reason
from relay.run import Counted, Ending, Start
from relay.selection import ALL
from relay.span import Span

__all__ = ["CHUNK_BYTES", "Record", "chunks", "hole", "render"]

Record = Span | DeclaredLoss | Gap | Ending | Start | Counted
"""What is written: a ``Gap`` is a hole, made by :func:`hole`."""

CHUNK_BYTES = 256 * 1024
"""About how much of a segment is read at once; where chunks end: :func:`chunks`."""

_ENCODER = NdjsonEncoder()


def render(records: Sequence[Record]) -> bytes:
    """Return the lines of records in the order of ids; starts and counts have none."""
    return b"".join([_rendered(record) for record in records])


def _rendered(record: Record) -> bytes:
    if isinstance(record, Span):
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
    """Cut whole lines behind the first newline at or after each multiple of 256 KiB."""
    start = 0
    while start < len(text):
        multiple = max(CHUNK_BYTES, -(-start // CHUNK_BYTES) * CHUNK_BYTES)
        newline = text.find(b"\n", multiple)
        end = newline + 1 or len(text)
        yield text[start:end]
        start = end
