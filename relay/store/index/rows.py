"""
The rows of channels and segments, as values.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "NO_NEWEST_NS",
    "NO_OLDEST_NS",
    "ChannelRow",
    "OpenSegment",
    "SegmentRow",
    "path_of",
]

NO_OLDEST_NS, NO_NEWEST_NS = sys.maxsize, -sys.maxsize
"""The times of a segment that has no entry: of losses or run endings alone."""


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """
    One segment.

    Args:
        channel: its channel.
        last_id: of its last entry, loss or run ending.
        first_id: of its first; its file is named after it.
        first_seq: of its first entry, or of the next one where it has none.
        last_seq: of its last entry; ``first_seq - 1`` where it has none.
        length: bytes of text that are true.
        entries: how many it holds.
        oldest_ns: least timestamp of its entries; :data:`NO_OLDEST_NS` where it has none.
        newest_ns: greatest timestamp; :data:`NO_NEWEST_NS` where it has none.
        date: UTC, of its beginning by the wall clock.
        written_ns: when it was last appended to, by the age clock.
        stored_bytes: what it takes on disk.
        compressed: whether its file ends with ``.zst``.
        losses: how many declared losses and holes it holds, which have no timestamp.
        is_sealed: whether nothing is appended to it any more.
    """

    channel: str
    last_id: int
    first_id: int
    first_seq: int
    last_seq: int
    length: int
    entries: int
    oldest_ns: int
    newest_ns: int
    date: str
    written_ns: int
    stored_bytes: int
    compressed: bool
    losses: int = 0
    is_sealed: bool = True

    @property
    def file(self) -> str:
        """Path of its file below the state directory."""
        form = ".zst" if self.compressed else ""
        return f"channels/{self.channel}/{self.date}/{self.first_id}.ndjson{form}"

    @property
    def files(self) -> list[str]:
        """Paths of its file and, beside a plain one, of that which may be made of it already."""
        return [self.file] if self.compressed else [self.file, f"{self.file}.zst"]


@dataclass(frozen=True, slots=True)
class OpenSegment:
    """The segment of a channel that is appended to; as in :class:`SegmentRow`."""

    first_id: int
    first_seq: int
    length: int
    entries: int
    oldest_ns: int
    newest_ns: int
    date: str
    written_ns: int
    opened_ns: int
    losses: int = 0


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """
    One channel.

    Args:
        name: of the channel.
        born_id: all of its entries have greater ids.
        last_id: of its last entry, loss or run ending.
        last_seq: of its last entry.
        forgotten_ns: where it was forgotten, the newest timestamp of what it held then.
        open: its open segment; ``None`` where there is none.
        lost_id: of the last entry, loss or run ending that was pruned.
    """

    name: str
    born_id: int
    last_id: int
    last_seq: int
    forgotten_ns: int | None = None
    open: OpenSegment | None = None
    lost_id: int = 0

    def sealed(self, *, stored_bytes: int | None = None) -> SegmentRow:
        """Return the open segment, which must be there, as a sealed one."""
        part = self.open
        assert part is not None
        return SegmentRow(
            channel=self.name,
            last_id=self.last_id,
            first_id=part.first_id,
            first_seq=part.first_seq,
            last_seq=self.last_seq,
            length=part.length,
            entries=part.entries,
            oldest_ns=part.oldest_ns,
            newest_ns=part.newest_ns,
            date=part.date,
            written_ns=part.written_ns,
            stored_bytes=part.length if stored_bytes is None else stored_bytes,
            compressed=False,
            losses=part.losses,
        )


def path_of(directory: Path, row: SegmentRow) -> Path:
    """Return where the file of a segment is, under the state directory."""
    return directory / row.file
