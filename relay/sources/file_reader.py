"""
One life of one file: from its first byte, or a position, to its end.

Rule of this file: it knows this file and no other, and never waits. A turn of 128 KiB costs
three reads from the page cache, one pass of the decoder and one position.
"""

import errno
import os
import time
from dataclasses import dataclass
from math import inf
from typing import Self

from relay.decode.decoder import IDLE_SECONDS, Decoding
from relay.decode.lines import Decoded
from relay.entry import Batch, Loss, Origin, Position, Reason
from relay.sources.base import ReaderStatus, SourceStatus
from relay.sources.file_identity import (
    HEAD_BYTES,
    TAIL_BYTES,
    Content,
    FileKey,
    FilePosition,
    OpenFile,
    born_ns,
    head_hash,
)

__all__ = [
    "FORGOTTEN",
    "IDLE_SECONDS",
    "SOURCE_LOSS",
    "FileReader",
    "ReaderSettings",
]

FORGOTTEN = Position("")
"""The last position of a reader that has ended and need not be handed back."""

NO_LINES = Decoded()
SOURCE_LOSS = Loss(Reason.SOURCE)
PLAIN = Decoding()


@dataclass(frozen=True, slots=True)
class ReaderSettings:
    """What all readers of one source have in common."""

    source: str
    status: SourceStatus
    decoding: Decoding = PLAIN
    detect_levels: bool = True
    most_lines: int | None = None
    """How many lines one position covers, where they may be held back."""


class FileReader:
    """
    Read one file by turns.

    Args:
        settings: of its source.
        name: under which its positions are kept; unique for this life of the file.
        path: the name under which it was first found; it stays when the file is renamed.
        channel: where its lines go.
        origin: of its lines.
        row: its row in the source's status, shared by all files that had this path.
        file: where to read; closed by :meth:`close`.
    """

    __slots__ = (
        "after",
        "announced",
        "appeared",
        "before",
        "birth_ns",
        "came_told",
        "changed_ns",
        "channel",
        "decoder",
        "done",
        "ended",
        "fd",
        "grace_seconds",
        "grown_at",
        "head",
        "head_hash",
        "key",
        "left_at",
        "left_told",
        "looked_at",
        "lossy",
        "modified_ns",
        "name",
        "offset",
        "origin",
        "path",
        "places",
        "row",
        "seen_ns",
        "settings",
        "size",
        "tail",
        "unseen_since",
        "watch",
    )

    def __init__(
        self,
        settings: ReaderSettings,
        name: str,
        path: str,
        channel: str,
        origin: Origin,
        row: ReaderStatus,
        file: OpenFile,
    ) -> None:
        self.settings = settings
        self.name = name
        self.path = path
        self.channel = channel
        self.origin = origin
        self.row = row
        self.fd = file.fd
        self.key: FileKey = file.key
        self.size, self.changed_ns = file.size, file.modified_ns
        self.modified_ns = file.modified_ns
        """When it was last written, as its position says."""
        self.birth_ns = born_ns(file.fd)
        """When its file was created; 0: unknown."""
        self.seen_ns = 0
        """When the last bytes were written that were read: a copy of them all is no older. Or
        earlier, where more was there than was read."""
        self.decoder = settings.decoding.decoder()
        self.head = b""
        self.head_hash = ""
        self.learn_head()
        self.offset = 0
        self.tail = b""
        now = time.monotonic()
        self.grown_at = now - IDLE_SECONDS
        """When it last grew, by the monotonic clock, as far as was noticed."""
        self.looked_at = now
        self.watch: int | None = None
        """Its inotify watch."""
        self.places = 0
        """How many of the source's paths lead to it."""
        self.announced = False
        """Whether its first position was yielded."""
        self.appeared = False
        """Whether it appeared while the source ran, so that it may be a copy in the making."""
        self.unseen_since: float | None = None
        """Until its first bytes are seen: when it was created, by the monotonic clock. What was
        created later may be a copy of what it held before it was truncated."""
        self.before: Self | None = None
        """The file that had its path before and must be finished first."""
        self.after: Self | None = None
        self.left_at: float | None = None
        """When it was noticed that its path leads elsewhere."""
        self.came_told = 0
        """Number of the change of names by which its path came to lead to it; 0: unknown."""
        self.left_told: float = inf
        """Number of the change of names by which its path came to lead elsewhere."""
        self.grace_seconds = IDLE_SECONDS
        self.done = False
        """Whether it was read to its end after its path had gone to another file."""
        self.ended = False
        """Whether there is nothing more to read it from."""
        self.lossy = False
        """Whether bytes may have been lost after its last."""

    @classmethod
    def new_name(cls, key: FileKey, born_ns: int) -> str:
        """Return a name for a life of a file that begins now; in their order lines stand."""
        return f"{key[0]:x}:{key[1]:x}:{born_ns:x}"

    @staticmethod
    def made_ns(name: str) -> int:
        """Return when a reader of this name was made; 0 where a name is foreign."""
        try:
            return int(name.rpartition(":")[2], 16)
        except ValueError:
            return 0

    def jump(self, offset: int) -> None:
        """Read on from ``offset``."""
        self.offset = offset
        self.row.position = str(offset)
        start = max(0, offset - TAIL_BYTES)
        self.tail = os.pread(self.fd, offset - start, start)

    def go_on(self, offset: int, *, in_part: bool) -> None:
        """Begin at ``offset``; ``in_part``: within a line whose beginning was given out."""
        self.begin_at(offset, in_part=in_part)
        self.announced = True

    def skip_to_end(self) -> None:
        """Begin at the end; what goes on the line that is unfinished there is a part."""
        newline = self.newline
        end = self.size - self.size % len(newline)
        self.begin_at(end)
        if end and not self.tail.endswith(newline):
            self.begin_at(end, in_part=True)

    def begin_at(self, offset: int, *, in_part: bool = False) -> None:
        """Begin to decode at ``offset``, the first byte of a character."""
        self.jump(offset)
        head = self.head if offset else None
        self.decoder = self.settings.decoding.decoder(in_part=in_part, head=head)

    @property
    def newline(self) -> bytes:
        """The bytes of a newline in this file."""
        return self.settings.decoding.newline(self.head)

    def learn_head(self) -> None:
        """Remember first bytes that were not there before; stops at a head that is another."""
        if len(self.head) < HEAD_BYTES:
            head = os.pread(self.fd, HEAD_BYTES, 0)
            if len(head) > len(self.head) and head.startswith(self.head):
                self.head = head
                self.head_hash = ""

    def note_size(self, size: int, now: float) -> None:
        """Note how long it is at a monotonic time."""
        if size > self.size:
            self.grown_at = now
        self.size = size

    def note_look(self, now: float) -> None:
        """Note that it was looked at no earlier than at a monotonic time."""
        if now > self.looked_at:
            self.looked_at = now

    def take(self, most: int) -> bytes | None:
        """
        Read on, without accepting what was read.

        Returns:
            At most ``most`` bytes, none at the end of the file; ``None`` where the file is not
            what it was: it was truncated.
        """
        found = os.fstat(self.fd)
        data = os.pread(self.fd, most, self.offset)
        # After the data: a file that was truncated and grew again between two reads is found
        # out by its head, or where that is the same (a banner) by the bytes before the offset.
        if not self.is_intact():
            return None
        if self.offset + len(data) >= found.st_size:
            self.seen_ns = found.st_mtime_ns
        return data

    def is_intact(self) -> bool:
        """Tell whether what was read before is still there; learns more of the head."""
        head = os.pread(self.fd, HEAD_BYTES, 0)
        if not head.startswith(self.head):
            return False
        tail = self.tail
        if os.pread(self.fd, len(tail), self.offset - len(tail)) != tail:
            return False
        if len(head) > len(self.head):
            self.head = head
            self.head_hash = ""
        return True

    def accept(self, data: bytes, now: float) -> Batch:
        """Decode what :meth:`take` gave."""
        self.offset += len(data)
        self.tail = (data if len(data) >= TAIL_BYTES else self.tail + data)[-TAIL_BYTES:]
        self.grown_at = now
        self.note_look(now)
        modified_ns = os.fstat(self.fd).st_mtime_ns
        if self.modified_ns != modified_ns + 1:  # Else still of that tick: see `come_after`.
            self.modified_ns = modified_ns
        if self.size < self.offset:
            self.size = self.offset
        row = self.row
        row.position = str(self.offset)
        if row.state == "unreadable":
            row.state, row.detail = "reading", None
        return self.batch(self.decoder.feed(data, now))

    def come_after(self, modified_ns: int) -> None:
        """
        Note when what was before it in its place was written: that is older, whatever time tells.

        A copy and the truncation behind it may be of one tick of the kernel's clock, some ms.
        """
        if self.modified_ns == modified_ns:
            self.modified_ns += 1

    def skip_hole(self) -> bool:
        """
        Pass over a hole at the file's beginning.

        A writer that does not append goes on at its old offset after a truncation: what lies
        before is no text but a hole, of any size.
        """
        try:
            start = os.lseek(self.fd, 0, os.SEEK_DATA)
        except OSError as error:
            # Nothing but a hole; or a file system that does not tell.
            start = os.fstat(self.fd).st_size if error.errno == errno.ENXIO else 0
        if start:
            zeros = os.pread(self.fd, 1 << 16, start)
            passed = start + len(zeros) - len(zeros.lstrip(b"\0"))
            # A character's own first byte may be 0.
            self.begin_at(passed - passed % self.settings.decoding.unit_bytes)
        return start > 0

    def pause(self, now: float) -> Batch | None:
        """Give out what has waited long enough in a file that goes on."""
        decoded = self.decoder.pause(now)
        return self.batch(decoded) if decoded.lines else None

    def end(self, *, forget: bool) -> Batch:
        """Give out what is left, its last position, and the loss where there may be one."""
        decoded = self.decoder.flush(part=self.lossy)
        loss, self.lossy = (SOURCE_LOSS if self.lossy else None), False
        return self.batch(decoded, FORGOTTEN if forget else None, loss)

    def batch(
        self,
        decoded: Decoded = NO_LINES,
        position: Position | None = None,
        loss: Loss | None = None,
    ) -> Batch:
        """Wrap lines with this reader's position."""
        settings = self.settings
        settings.status.invalid_bytes += decoded.invalid_bytes
        return Batch(
            source=settings.source,
            channel=self.channel,
            lines=decoded.lines,
            origins=(self.origin,),
            parts=decoded.parts,
            detect_levels=settings.detect_levels,
            reader=self.name,
            position=position or self.position(),
            loss=loss,
        )

    def position(self) -> Position:
        """Return where it stands, as it is kept."""
        return Position(self.stands().text())

    def stands(self) -> FilePosition:
        """Return where it stands; bytes that the decoder holds lie after it."""
        if not self.head_hash:
            self.head_hash = head_hash(self.head)
        held = self.decoder.held_bytes
        tail = self.tail[: max(0, len(self.tail) - held)]
        return FilePosition(
            self.path,
            *self.key,
            len(self.head),
            self.head_hash,
            self.offset - held,
            self.decoder.in_part,
            self.done,
            self.lossy,
            self.modified_ns,
            len(tail),
            head_hash(tail),
            self.seen_ns,
            self.birth_ns,
        )

    def content(self) -> Content:
        """Return what a copy of this file must hold."""
        tail = self.tail
        return Content(
            len(self.head), head_hash(self.head), self.offset, len(tail), head_hash(tail)
        )

    def grace_left(self, now: float) -> float:
        """Return for how many seconds a file whose path leads elsewhere may still grow."""
        if self.left_at is None or self.fd < 0:
            return 0.0
        # The file's own time too, so that a chain of rotated files needs one grace, not many.
        quiet = max(now - self.grown_at, time.time() - os.fstat(self.fd).st_mtime)
        return max(self.left_at + self.grace_seconds - now, self.grace_seconds - quiet)

    def move_to(self, file: OpenFile) -> None:
        """Read on in another file that holds the same bytes up to here."""
        self.fd, self.key, self.birth_ns = file.fd, file.key, born_ns(file.fd)
        self.size, self.changed_ns = file.size, file.modified_ns

    def close(self) -> None:
        """Close its file; :meth:`move_to` opens it again."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
