"""
Archives as a relay leaves them, made at once: by the store's own modules, without a relay.

A relay must have made the directory's index, and ended; the next one finds the channels as if
an earlier life had written them.
"""

import os
import sqlite3
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.workspace import line
from relay.block import Block
from relay.entry import Level, Origin
from relay.lines import Lines
from relay.span import Span
from relay.store import index
from relay.store.compression import compress
from relay.store.index import ChannelRow, SegmentRow
from relay.store.segment import chunks, render

__all__ = ["CHANNEL", "Archive", "add_archive", "add_segments", "forget_cached"]

CHANNEL = "archive"

BLOCK_LINES = 500
"""That arrive together, with one timestamp and consecutive ids."""

SEGMENT_BLOCKS = 50
"""About 8 MiB of text, at which a relay seals a segment."""

LINE_US = 1000
"""Microseconds from one line's id to the next one's."""

CHANNELS = 100
"""Of :func:`add_segments`."""

LINKS = 10_000
"""Names of one file: a file system may allow 65,000."""


@dataclass(frozen=True, slots=True)
class Archive:
    """
    What was made.

    Args:
        first_id: of its first line.
        last_id: of its last line.
        lines: how many it has.
        text_bytes: of their NDJSON.
        stored_bytes: what they take on disk.
    """

    first_id: int
    last_id: int
    lines: int
    text_bytes: int
    stored_bytes: int


def add_archive(state: Path, text_bytes: int) -> Archive:
    """
    Add a channel with so much text, in compressed segments.

    Args:
        state: the relay's directory.
        text_bytes: of NDJSON, about.
    """
    lines = [
        Lines.of([line(start + number).rstrip(b"\n") for number in range(BLOCK_LINES)])
        for start in range(0, SEGMENT_BLOCKS * BLOCK_LINES, BLOCK_LINES)
    ]
    length = len(_text([_block(one, 1, 1) for one in lines]))
    count = max(1, text_bytes // length)
    first_id = time.time_ns() // 1000 - (count + 1) * SEGMENT_BLOCKS * BLOCK_LINES * LINE_US
    rows = []
    for segment in range(count):
        starts = range(segment * SEGMENT_BLOCKS * BLOCK_LINES, sys.maxsize, BLOCK_LINES)
        blocks = [
            _block(one, first_id + start * LINE_US, start + 1)
            for one, start in zip(lines, starts, strict=False)
        ]
        rows.append(_write(state, blocks))
    last = rows[-1]
    with _index(state) as connection:
        index.add_segments(connection, rows)
        index.put_channels(
            connection, [ChannelRow(CHANNEL, first_id - 1, last.last_id, last.last_seq)]
        )
    return Archive(
        first_id,
        last.last_id,
        last.last_seq,
        sum(row.length for row in rows),
        sum(row.stored_bytes for row in rows),
    )


def add_segments(state: Path, segments: int) -> None:
    """
    Add a hundred channels with so many small segments, all of the same text.

    Args:
        state: the relay's directory.
        segments: over all channels.
    """
    lines = Lines.of([line(0).rstrip(b"\n")])
    first_id = time.time_ns() // 1000 - (segments + CHANNELS) * LINE_US
    kept, model = 0, Path()
    rows, channels = [], []
    for channel_number in range(CHANNELS):
        name = f"{CHANNEL}-{channel_number}"
        for seq in range(1, segments // CHANNELS + 1):
            row = _row([_block(lines, first_id, seq, name)], len(line(0)), 200)
            path = index.path_of(state, row)
            if kept % LINKS == 0:
                model = path
                path.parent.mkdir(parents=True, exist_ok=True)
                compress([b"{}\n"], path)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                os.link(model, path)
            rows.append(row)
            kept += 1
            first_id += LINE_US
        channels.append(ChannelRow(name, rows[-seq].first_id - 1, rows[-1].last_id, seq))
    with _index(state) as connection:
        index.add_segments(connection, rows)
        index.put_channels(connection, channels)


def forget_cached(state: Path) -> None:
    """Let the system forget what it has read of segments, so that the disk is asked."""
    os.sync()
    for path in state.glob("channels/*/*/*"):
        descriptor = os.open(path, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def _block(lines: Lines, first_id: int, first_seq: int, channel: str = CHANNEL) -> Block:
    return Block(
        channel=channel,
        first_id=first_id,
        first_seq=first_seq,
        lines=lines,
        levels=bytes([Level.INFO]) * lines.count,
        origins=(Origin("app", instance="/var/log/app/app.log"),),
        arrival_ns=first_id * 1000,
    )


def _text(blocks: Sequence[Block]) -> bytes:
    return render([Span(block, 0, block.count) for block in blocks])


def _write(state: Path, blocks: Sequence[Block]) -> SegmentRow:
    text = _text(blocks)
    path = index.path_of(state, _row(blocks, len(text), 0))
    path.parent.mkdir(parents=True, exist_ok=True)
    return _row(blocks, len(text), compress(chunks(text), path))


def _row(blocks: Sequence[Block], length: int, stored_bytes: int) -> SegmentRow:
    first, last = blocks[0], blocks[-1]
    return SegmentRow(
        channel=first.channel,
        last_id=last.last_id,
        first_id=first.first_id,
        first_seq=first.first_seq,
        last_seq=last.last_seq,
        length=length,
        entries=sum(block.count for block in blocks),
        oldest_ns=first.oldest_ns,
        newest_ns=last.newest_ns,
        date=datetime.fromtimestamp(first.arrival_ns / 1e9, UTC).date().isoformat(),
        written_ns=time.time_ns(),
        stored_bytes=stored_bytes,
        compressed=True,
    )


@contextmanager
def _index(state: Path) -> Iterator[sqlite3.Connection]:
    """Give the index inside a transaction."""
    with closing(index.connect(state / "index.db")) as connection:
        connection.execute("BEGIN")
        yield connection
        connection.execute("COMMIT")
