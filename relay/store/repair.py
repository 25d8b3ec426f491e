"""
Brings segments and their records together after a crash or damage.

Rule of this file: what is whole is kept. Entries that the index knows and that are gone become a
hole with their count; so ids and seqs go on after the record.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

from relay.block import Block, DeclaredLoss
from relay.entry import Loss, Reason
from relay.marks import Missing
from relay.run import Ending, Run
from relay.runs import end_run, enter_runs
from relay.span import Span
from relay.store import index
from relay.store.compression import read_text
from relay.store.continuity import Continuity
from relay.store.files import make_directories
from relay.store.index import NO_NEWEST_NS, NO_OLDEST_NS, ChannelRow, OpenSegment, SegmentRow
from relay.store.parsing import last_line, parse
from relay.store.segment import Record, chunks, hole, render
from relay.times import parse_rfc_3339

__all__ = ["Rebuilt", "mend", "orphans", "rebuild", "segment_files"]

TAIL_BYTES = 16 * 1024
"""Of a segment are read to see whether it ends well."""

DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
NAME = re.compile(r"(\d{1,16})\.ndjson(\.zst)?", re.ASCII)
COMPLETE = re.compile(rb'^\{"type":"complete",[^\n]*\}$', re.MULTILINE)


@dataclass(slots=True)
class _Found:
    """
    What whole lines of a segment hold.

    Args:
        length: bytes up to the end of the last of them.
        last_id: of the last of them.
        last_seq: of the last entry, be it there, missing before another, or in a hole.
        blocks: all entries.
        losses: how many declared losses and holes.
    """

    length: int
    last_id: int
    last_seq: int
    blocks: list[Block] = field(default_factory=list)
    losses: int = 0

    @property
    def entries(self) -> int:
        return sum(block.count for block in self.blocks)

    @property
    def oldest_ns(self) -> int:
        return min((block.oldest_ns for block in self.blocks), default=NO_OLDEST_NS)

    @property
    def newest_ns(self) -> int:
        return max((block.newest_ns for block in self.blocks), default=NO_NEWEST_NS)


def _look(channel: str, text: bytes, before_id: int, before_seq: int | None) -> _Found:
    """
    Find what is whole.

    Args:
        channel: whose segment it is.
        text: of the segment.
        before_id: all ids in it are greater.
        before_seq: of the last entry before it; ``None``: not known.
    """
    length, last_id = last_line(channel, text)
    continuity = Continuity(before_id, before_seq)
    blocks: list[Block] = []
    losses = 0
    for chunk in chunks(text[:length]):
        items = parse(channel, chunk)
        losses += sum(not isinstance(item, Block) for item in items)
        blocks.extend(item for item in continuity.join(items) if isinstance(item, Block))
    holes = [item for item in continuity.held if isinstance(item, Missing)]
    last_seq = (continuity.last_seq or 0) + sum(hole.at_least for hole in holes)
    return _Found(length, max(last_id, continuity.last_id), last_seq, blocks, losses)


def mend(directory: Path, row: ChannelRow) -> tuple[ChannelRow, int]:
    """
    Bring a channel's open segment, which there must be, and its record together.

    May be interrupted, and begun anew.

    Args:
        directory: the state directory.
        row: as the index has it.

    Returns:
        The channel as it is now, and how many entries were lost.

    Raises:
        OSError: the segment cannot be read or written.
    """
    part = row.open
    assert part is not None
    path = index.path_of(directory, row.sealed())
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        if row.last_seq < part.first_seq and not part.losses:
            return replace(row, open=None), 0
        make_directories(path, directory)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        if size > part.length:
            os.ftruncate(descriptor, part.length)
        if size >= part.length and _ends_well(descriptor, row, part.length):
            return row, 0
        return _cut(descriptor, row, part)
    finally:
        os.close(descriptor)


def _ends_well(descriptor: int, row: ChannelRow, length: int) -> bool:
    """Tell whether a segment's last line is the channel's last; no pattern is made for that."""
    start = max(0, length - TAIL_BYTES)
    lines = os.pread(descriptor, length - start, start).split(b"\n")
    if len(lines) < 2 or lines[-1]:
        return False
    try:
        said = orjson.loads(lines[-2])
        return (said["channel"], said["id"]) == (row.name, row.last_id)
    except (ValueError, KeyError, TypeError):
        return False


def _cut(descriptor: int, row: ChannelRow, part: OpenSegment) -> tuple[ChannelRow, int]:
    """Cut a segment behind its last whole line, and say there what is lost."""
    text = os.pread(descriptor, part.length, 0)
    found = _look(row.name, text, part.first_id - 1, part.first_seq - 1)
    lost = max(0, row.last_seq - found.last_seq)
    lacks_losses = found.losses < part.losses
    last_id = max(row.last_id, found.last_id + lost + lacks_losses)
    records: list[Record] = []
    if lacks_losses:
        # Written first: when this is done again, what was written counts among the losses.
        records.append(DeclaredLoss(found.last_id + 1, row.name, Loss(Reason.RESTART)))
    if lost:
        first_id = found.last_id + 1 + lacks_losses
        records.append(hole(row.name, first_id, last_id, lost, Reason.RESTART))
    end = render(records)
    os.ftruncate(descriptor, found.length)
    os.pwrite(descriptor, end, found.length)
    os.fdatasync(descriptor)
    part = replace(
        part,
        length=found.length + len(end),
        entries=found.entries,
        oldest_ns=found.oldest_ns,
        newest_ns=found.newest_ns,
        losses=found.losses + len(records),
    )
    last_seq = max(row.last_seq, found.last_seq)
    return replace(row, last_id=last_id, last_seq=last_seq, open=part), lost


# Without an index


@dataclass(slots=True)
class Rebuilt:
    """
    What segments say of a channel.

    Args:
        row: the channel, with all of its segments sealed.
        segments: those that the index does not have.
        left_out: files that hold nothing whole, or what others hold too.
    """

    row: ChannelRow
    segments: list[SegmentRow] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def rebuild(directory: Path, name: str, row: ChannelRow | None, runs: dict[str, Run]) -> Rebuilt:
    """
    Read the segments of a channel that the index does not know.

    Costs about 2 µs a line.

    Args:
        directory: the state directory.
        name: of the channel.
        row: as the index has it; ``None``: it does not.
        runs: to which what is found of runs is added.
    """
    known_id = 0 if row is None else row.last_id
    known = row
    if row is None:
        row = ChannelRow(name, 0, 0, 0)
    elif row.open is not None:
        # What the index knows of its open segment may be less than there is.
        row = replace(
            row, last_id=row.open.first_id - 1, last_seq=row.open.first_seq - 1, open=None
        )
    rebuilt = Rebuilt(row)
    for first_id, path in segment_files(directory, name):
        if first_id > row.last_id:
            _add(rebuilt, first_id, path, known_id, runs)
    if known is not None:
        rebuilt.row = replace(
            rebuilt.row,
            last_id=max(rebuilt.row.last_id, known.last_id),
            last_seq=max(rebuilt.row.last_seq, known.last_seq),
        )
    return rebuilt


def _add(rebuilt: Rebuilt, first_id: int, path: Path, known_id: int, runs: dict[str, Run]) -> None:
    row, is_plain = rebuilt.row, path.suffix == ".ndjson"
    text = path.read_bytes() if is_plain else read_text(path)
    found = _look(row.name, text, first_id - 1, row.last_seq if row.last_id else None)
    first_seq = found.blocks[0].first_seq if found.blocks else row.last_seq + 1
    if not found.length or first_id <= row.last_id or first_seq <= row.last_seq:
        rebuilt.left_out.append(f"{path.parent.name}/{path.name}")
        return
    if is_plain and len(text) > found.length:
        os.truncate(path, found.length)
    last_seq = max(found.last_seq, first_seq - 1)
    stored = path.stat()
    rebuilt.segments.append(
        SegmentRow(
            channel=row.name,
            last_id=found.last_id,
            first_id=first_id,
            first_seq=first_seq,
            last_seq=last_seq,
            length=found.length,
            entries=found.entries,
            oldest_ns=found.oldest_ns,
            newest_ns=found.newest_ns,
            date=path.parent.name,
            written_ns=stored.st_mtime_ns,
            stored_bytes=stored.st_size,
            compressed=not is_plain,
            losses=found.losses,
        )
    )
    born_id = first_id - 1 if first_seq == 1 else row.born_id
    rebuilt.row = replace(row, born_id=born_id, last_id=found.last_id, last_seq=last_seq)
    _add_runs(runs, found.blocks, known_id)
    _end_runs(runs, row.name, text, known_id)


def _add_runs(runs: dict[str, Run], blocks: list[Block], after: int) -> None:
    for block in blocks:
        start = block.index_after(after)
        if start < block.count:
            enter_runs(runs, Span(block, start, block.count))


def _end_runs(runs: dict[str, Run], channel: str, text: bytes, after: int) -> None:
    if b'{"type":"complete",' not in text:
        return
    for line in COMPLETE.findall(text):
        try:
            said = orjson.loads(line)
            if said["id"] > after:
                end_run(runs, _ending(channel, said))
        except (ValueError, KeyError, TypeError):
            continue


def _ending(channel: str, said: dict[str, Any]) -> Ending:
    return Ending(
        id=said["id"],
        channel=channel,
        run=said["run"],
        timestamp_ns=parse_rfc_3339(said["timestamp"]),
        status=said["status"],
        exit_code=said["exit_code"],
        signal=said["signal"],
    )


def segment_files(directory: Path, channel: str) -> list[tuple[int, Path]]:
    """Return the files of a channel with their first ids, in that order."""
    top = directory / "channels" / channel
    found: dict[int, Path] = {}
    for first_id, name in _named(str(top)):
        # Of two forms the plain one is whole: it is removed when the index has the other.
        if first_id not in found or name.endswith(".ndjson"):
            found[first_id] = top / name
    return sorted(found.items())


def orphans(directory: Path, channel: str, last_id: int) -> list[str]:
    """
    Return segments, by their paths below the directory, that begin after an id.

    Only the newest directories are looked at: for more, starting would cost a look at all.
    """
    top = f"channels/{channel}"
    found = _named(f"{directory}/{top}", 2)
    return [f"{top}/{name}" for first_id, name in found if first_id > last_id]


def _named(top: str, newest: int | None = None) -> Iterator[tuple[int, str]]:
    """Give the files of segments by their first id, in the newest directories."""
    dates = filter(DATE.fullmatch, _names_in(top))
    for date in sorted(dates, reverse=True)[:newest]:
        for name in _names_in(f"{top}/{date}"):
            if found := NAME.fullmatch(name):
                yield int(found[1]), f"{date}/{name}"


def _names_in(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []
