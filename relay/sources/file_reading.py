"""
Reading a source's files by turns, and what it finds out: the end, a truncation, a copy.

A turn goes round the files that have something to read until 128 KiB are read. Rules of this
file:

- A file whose path leads elsewhere is read to its end, and for as long as it grows, a second
  at least; only then is the next file of that path read, so that lines stand in their order.
- A file that was truncated is looked for under another name in its directory, by its head: the
  copy that a rotation made is read on from the old offset, then the file from its beginning.
- After a truncation a loss is declared wherever unread bytes cannot be excluded: bytes known
  to be unread that no copy holds, and, whatever the copy holds, a file that grew within the
  last second or was not looked at for some seconds. What is written between the copying and
  the truncating is gone, and nobody can count it. A quiet file that was read to its end lost
  nothing.
"""

import os
import time
from collections.abc import Iterable

from relay.entry import Batch
from relay.sources.base import TURN_BYTES
from relay.sources.file_identity import (
    HEAD_BYTES,
    OpenFile,
    directories_of,
    find_copy,
    find_key,
    is_same_start,
    open_quietly,
)
from relay.sources.file_reader import FORGOTTEN, IDLE_SECONDS, FileReader
from relay.sources.file_set import FileSet
from relay.sources.rate import cut_by_lines

__all__ = ["Reading"]

LEAST_BYTES = 4096
"""What is left of a turn's bytes below this is not worth a read."""

READER_BYTES = 512
"""What a file counts at least, so that thousands of quiet files make several turns."""

RECENT_SECONDS = 1.0
"""A truncated file that grew within this time may have lost bytes."""

UNSEEN_SECONDS = 3.0
"""So may one that was not looked at for so long: some sweeps were missed."""


class Reading:
    """
    Read the files of a set.

    Args:
        files: which there are; told when one turns out to be another.
    """

    def __init__(self, files: FileSet) -> None:
        self._files = files
        self._turns = files.turns
        self._renewed: set[FileReader] = set()
        """Files whose new life is just begun."""

    def turn(self) -> list[Batch]:
        """Return what was put aside, else what the next turn reads."""
        if batches := self._turns.take_put():
            return batches
        now, left = time.monotonic(), TURN_BYTES
        while left >= LEAST_BYTES and (reader := self._turns.take_next()) is not None:
            left -= max(self._serve(reader, left, now, batches), READER_BYTES)
        return batches

    def _serve(self, reader: FileReader, most: int, now: float, batches: list[Batch]) -> int:
        """Do what one file needs now; return how many bytes were read."""
        try:
            return self._go_on(reader, most, now, batches)
        except OSError as error:
            reader.row.state, reader.row.detail = "unreadable", error.strerror
            reader.changed_ns = -1  # as if changed: the sweep tries again
            return 0

    def _go_on(self, reader: FileReader, most: int, now: float, batches: list[Batch]) -> int:
        data = self._read(reader, most)
        if data is None:
            self._renew(reader, now, batches)
            return 0
        reader.looked_at = now
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
        if reader.ended or (reader.fd < 0 and not self._files.reopen(reader)):
            return None
        if reader.before is not None:
            return b"" if reader.is_intact() else None
        return reader.take(most)

    def _renew(self, reader: FileReader, now: float, batches: list[Batch]) -> None:
        if not reader.ended and self._truncated(reader, now):
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
        if data[0] == 0 and reader.skip_hole():
            self._turns.mark(reader)
            return True
        if not reader.appeared or not self._may_be_copy(reader, data):
            return False
        # A copy grows until it is whole, and the truncation follows at once.
        quiet_seconds = abs(time.time() - os.fstat(reader.fd).st_ctime)
        if quiet_seconds < IDLE_SECONDS:
            self._turns.set_due(reader, now + IDLE_SECONDS - quiet_seconds)
        return quiet_seconds < IDLE_SECONDS

    def _at_end(self, reader: FileReader, now: float, batches: list[Batch]) -> None:
        if reader.left_at is not None and not reader.done:
            wait = reader.grace_left(now)
            if wait > 0:
                self._turns.set_due(reader, now + wait)
            else:
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
            self._files.leave(reader.path, reader.name, reader.stands())
        follower, reader.after = reader.after, None
        if follower is not None:
            follower.before = None
            self._turns.mark(follower)

    def _is_last(self, reader: FileReader) -> bool:
        """Tell whether its path leads nowhere: then its position is kept until it does."""
        place = self._files.places.get(reader.path)
        return reader.after is None and (place is None or place.current is None)

    # Truncated, rotated, gone

    def renew(self, reader: FileReader) -> None:
        """Begin a new life of a truncated file between two turns."""
        if reader not in self._renewed:
            reader.ended = not self._truncated(reader, time.monotonic())
            self._turns.mark(reader)

    def _truncated(self, reader: FileReader, now: float) -> bool:
        """Begin a new life of a truncated file; return whether the old one goes on in a copy."""
        head = os.pread(reader.fd, HEAD_BYTES, 0) if reader.fd >= 0 else b""
        if self._files.watch is not None:
            # After the head: a copy of anything before it has been created by now.
            self._renewed.add(reader)
            self._files.watch.read()
            self._renewed.discard(reader)
        known = self._files.known.items()
        others = {key for key, other in known if other.offset or not other.appeared}
        skip = {*others, reader.key}
        directories = directories_of(reader.path)
        copy = find_copy(directories, reader.content(), skip, reader.seen_ns)
        is_whole = copy is not None and copy.size >= reader.offset
        reader.lossy |= (
            now - reader.grown_at < RECENT_SECONDS
            or now - reader.looked_at > UNSEEN_SECONDS
            or (copy.size if copy and is_whole else max(reader.size, len(reader.head)))
            > reader.offset
        )
        self._begin_again(reader, head, self._copies_between(reader, head, copy))
        reader.left_at, reader.grace_seconds = now, 0.0
        if copy is not None:
            self._move_to_copy(reader, copy)
        return copy is not None

    def _begin_again(self, reader: FileReader, head: bytes, between: list[OpenFile]) -> None:
        """Give the file, which is empty or another now, to a reader of its own."""
        places = [place for place in self._files.places.values() if place.current is reader]
        if not places or reader.fd < 0:
            self._files.close_file(reader)
            return
        places.sort(key=lambda place: place.path != reader.path)
        for copy in between:
            other = self._files.known.get(copy.key)
            missed = self._files.new_life(places[0], copy)
            missed.left_at, missed.grace_seconds, missed.lossy = time.monotonic(), 0.0, True
            if other is not None:
                self._take_over(missed, other)
        live = self._files.new_life(places[0], self._files.detach(reader))
        # If it is another again by now, its first turn finds that out.
        live.head, live.seen_ns = head or live.head, reader.seen_ns
        for place in places:
            place.current = live
        live.places, reader.places = reader.places, 0

    def _copies_between(
        self, reader: FileReader, head: bytes, copy: OpenFile | None
    ) -> list[OpenFile]:
        """
        Open copies of what a truncated file held in lives that were never seen.

        There are any only where the loop was held up while the file was truncated more than
        once: then they were created since the file was last looked at, and hold other text than
        before and now.
        """
        if not reader.places or reader.fd < 0:
            return []
        heads = [reader.head, head]
        found = []
        for path in [path for path, when in self._files.born.items() if when >= reader.looked_at]:
            if self._may_be_copys_name(path, reader.path) and (file := open_quietly(path)):
                other = self._files.known.get(file.key)
                start = os.pread(file.fd, HEAD_BYTES, 0)
                if (
                    (copy is not None and file.key == copy.key)
                    or (other is not None and (other.offset or not other.appeared))
                    or not start
                    or b"\0" in start
                    or any(is_same_start(start, known) for known in heads)
                ):
                    file.close()
                else:
                    found.append(file)
        return found

    def _may_be_copys_name(self, path: str, of: str) -> bool:
        name, stem = os.path.basename(path), os.path.splitext(os.path.basename(of))[0]
        return (
            path != of
            and os.path.dirname(path) == os.path.dirname(of)
            and name.startswith(stem)
            and not self._files.patterns.excludes(path)
        )

    def _move_to_copy(self, reader: FileReader, copy: OpenFile) -> None:
        if (other := self._files.known.get(copy.key)) is not None:
            self._take_over(reader, other)
        self._files.unlink(reader)
        self._files.attach(reader, copy)
        self._files.known[copy.key] = reader
        if copy.size < reader.offset:
            # Made before the last bytes were read: it holds nothing new.
            reader.jump(copy.size)
        if self._files.patterns.matches(copy.path):
            # Known from now on under this name: else it would be found and read as a new file.
            self._files.look(copy.path)

    def _take_over(self, reader: FileReader, other: FileReader) -> None:
        """Put a reader in the place of one that waited, because its file might be a copy."""
        for place in self._files.places.values():
            if place.current is other:
                place.current = reader
                reader.places += 1
            if place.last is other:
                place.last = other.before
        if other.before is not None:
            other.before.after = other.after
        if other.after is not None:
            other.after.before = other.before
            self._turns.mark(other.after)
        if other.announced:
            self._turns.put(other.batch(position=FORGOTTEN))
        self._files.forget(other)

    def _may_be_copy(self, reader: FileReader, data: bytes) -> bool:
        """
        Tell whether a file that appeared and begins with ``data`` may be a copy in the making.

        Files of one program often begin alike: a copy is the same as far as it goes.
        """
        directory, head = os.path.dirname(reader.path), data[:HEAD_BYTES]
        for other in self._files.known.values():
            if (
                other is reader
                or other.left_at is not None
                or not is_same_start(other.head, head)
                or os.path.dirname(other.path) != directory
                or (other.fd < 0 and not self._files.reopen(other))
            ):
                continue
            if not other.is_intact():
                # Truncated already: this is found out, with the copy, before we are asked again.
                self._turns.mark(other)
                return True
            if os.pread(other.fd, len(data), 0) == data:
                return True
        return False

    def _finished(self, reader: FileReader) -> bool:
        """Take note that a file was read to its end; return whether it can be forgotten."""
        if not reader.places and reader.fd >= 0 and os.fstat(reader.fd).st_nlink:
            # Its new name may be one of ours that was not looked at yet.
            file = find_key(directories_of(reader.path), reader.key)
            if file is not None:
                file.close()
                if self._files.patterns.matches(file.path):
                    self._files.look(file.path)
        place = self._files.places.get(reader.path)
        if place is not None and place.last is reader:
            place.last = None
        if reader.places:
            return False
        self._files.forget(reader)
        return True
