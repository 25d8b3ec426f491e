"""
Reading a source's files by turns, and what it finds out: the end, a truncation, a copy.

A turn goes round the files that have something to read until 128 KiB are read, or 20 ms have
passed. Rules of this file:

- A file whose path leads elsewhere is read to its end, and for as long as it grows, a second
  at least; only then is the next file of that path read, so that lines stand in their order.
- Before the first byte of a file that has appeared is read, everything is known that the kernel
  had to tell until then.
"""

import os
import time
from collections.abc import Iterable

from relay.entry import Batch
from relay.sources.base import TURN_BYTES
from relay.sources.file_copies import Copies
from relay.sources.file_identity import (
    FileKey,
    directories_of,
    find_key,
    key_of,
    open_key,
    regular_files,
)
from relay.sources.file_lives import Lives
from relay.sources.file_reader import IDLE_SECONDS, FileReader
from relay.sources.file_set import FileSet
from relay.sources.rate import cut_by_lines

__all__ = ["Reading"]

LEAST_BYTES = 4096
"""What is left of a turn's bytes below this is not worth a read."""

TURN_SECONDS = 0.02
"""A turn lasts no longer, though files that end or were truncated make it list directories."""

READER_BYTES = 512
"""What a file counts at least, so that thousands of quiet files make several turns."""


class Reading:
    """
    Read the files of a set.

    Args:
        files: which there are; told when one turns out to be another.
    """

    def __init__(self, files: FileSet) -> None:
        self._files = files
        self._turns = files.turns
        self._copies = Copies(files)
        self.lives = Lives(files, self._copies)
        self._listed: dict[str, dict[FileKey, str]] = {}
        """By directory, where files were when it was listed in this turn."""

    def turn(self) -> list[Batch]:
        """Return what was put aside, else what the next turn reads."""
        if batches := self._turns.take_put():
            return batches
        now, left = time.monotonic(), TURN_BYTES
        self._listed.clear()
        while left >= LEAST_BYTES and (reader := self._turns.take_next()) is not None:
            left -= max(self._serve(reader, left, now, batches), READER_BYTES)
            if time.monotonic() - now > TURN_SECONDS:
                break
        return batches

    def _serve(self, reader: FileReader, most: int, now: float, batches: list[Batch]) -> int:
        """Do what one file needs now; return how many bytes were read."""
        try:
            return self._go_on(reader, most, now, batches) if self._is_settled(reader) else 0
        except OSError as error:
            reader.row.state, reader.row.detail = "unreadable", error.strerror
            reader.changed_ns = -1  # as if changed: the sweep tries again
            return 0

    def _is_settled(self, reader: FileReader) -> bool:
        """Make sure that a file that has appeared is read at its place; ``False``: not here."""
        if reader.unseen_since is None or reader.fd < 0:
            return True
        if not self._files.is_behind:
            self._files.listen()
        if self._files.is_behind:
            return False
        self.lives.look_before(reader)
        return self._files.known.get(reader.key) is reader or reader.ended

    def _go_on(self, reader: FileReader, most: int, now: float, batches: list[Batch]) -> int:
        data = self._read(reader, most)
        if data is None:
            self._renew(reader, now, batches)
            return 0
        reader.note_look(now)
        if reader.before is not None or (data and self._is_put_off(reader, data, now)):
            return 0
        batches.extend([reader.accept(piece, now) for piece in self._pieces(data)])
        if len(data) == most:
            self._turns.mark(reader)
        else:
            self._at_end(reader, now, batches)
        return len(data)

    def _pieces(self, data: bytes) -> Iterable[bytes]:
        """Cut what was read into what gets a position of its own."""
        most = self._files.settings.most_lines
        if most is None:
            return [data] if data else []
        return cut_by_lines(data, most)

    def _read(self, reader: FileReader, most: int) -> bytes | None:
        """Return what is there; ``None`` where the file is gone, or not what it was."""
        if reader.ended or (reader.fd < 0 and not self._files.descriptors.reopen(reader)):
            return None
        if reader.before is not None:
            return b"" if reader.is_intact() else None
        return reader.take(most)

    def _renew(self, reader: FileReader, now: float, batches: list[Batch]) -> None:
        if not reader.ended and self.lives.begin(reader, now):
            self._turns.mark(reader)
        elif reader.before is None:
            self._finish(reader, batches)
        else:
            # The loss that it leaves is declared when its turn comes.
            reader.ended = True

    def _is_put_off(self, reader: FileReader, data: bytes, now: float) -> bool:
        """Tell whether what stands at a file's beginning is not to be read, or not yet."""
        if reader.offset:
            return False
        if reader.unseen_since is not None:
            # It came just now: what it held before is looked for first.
            self._turns.mark(reader)
            return True
        if self.lives.is_claimed(reader):
            return True
        if data[0] == 0 and reader.skip_hole():
            self._turns.mark(reader)
            return True
        if not reader.appeared or not self._copies.may_be_in_the_making(reader, data):
            return False
        # A copy grows until it is whole, and the truncation follows at once.
        quiet_seconds = now - reader.grown_at
        if quiet_seconds < IDLE_SECONDS:
            self._turns.set_due(reader, now + IDLE_SECONDS - quiet_seconds)
        return quiet_seconds < IDLE_SECONDS

    def _at_end(self, reader: FileReader, now: float, batches: list[Batch]) -> None:
        if reader.left_at is not None and not reader.done:
            wait = reader.grace_left(now)
            if wait > 0:
                self._turns.set_due(reader, now + wait)
            elif not self.lives.was_missed(reader):
                self._finish(reader, batches)
        elif reader.decoder.due is not None:
            if now >= reader.decoder.due and (batch := reader.pause(now)) is not None:
                batches.append(batch)
            if reader.decoder.due is not None:
                self._turns.set_due(reader, reader.decoder.due)

    def _finish(self, reader: FileReader, batches: list[Batch]) -> None:
        reader.done = True
        is_finished = self._finished(reader)
        is_last = is_finished and self._is_last(reader)
        batches.append(reader.end(forget=is_finished and not is_last))
        if is_last:
            self._files.left.keep(reader.path, reader.name, reader.stands())
        follower, reader.after = reader.after, None
        if follower is not None:
            follower.before = None
            self._turns.mark(follower)

    def _is_last(self, reader: FileReader) -> bool:
        """Tell whether its path leads nowhere: then its position is kept until it does."""
        place = self._files.places.get(reader.path)
        return reader.after is None and (place is None or place.current is None)

    def _finished(self, reader: FileReader) -> bool:
        """Take note that a file was read to its end; return whether it can be forgotten."""
        if not reader.places and reader.fd >= 0 and os.fstat(reader.fd).st_nlink:
            # Its new name may be one of ours that was not looked at yet.
            path = self._where_is(reader)
            if path is not None and self._files.patterns.matches(path):
                self._files.look(path)
        place = self._files.places.get(reader.path)
        if place is not None and place.last is reader:
            place.last = None
        if reader.places:
            return False
        self._files.forget(reader)
        return True

    def _where_is(self, reader: FileReader) -> str | None:
        """Return under which name a file is now, in the directory where it was found."""
        directories = directories_of(reader.path)
        # Hundreds of files may be finished in one turn.
        path = self._listing(directories[0]).get(reader.key)
        file = open_key(path, reader.key) if path is not None else None
        if file is None:
            file = find_key(directories, reader.key)
        if file is not None:
            file.close()
        return file.path if file is not None else None

    def _listing(self, directory: str) -> dict[FileKey, str]:
        if directory not in self._listed:
            found = regular_files([directory])
            self._listed[directory] = {key_of(one): path for path, one in found}
        return self._listed[directory]
