"""
The lives of a file that is copied and truncated, and the copies that hold those which ended.

Rules of this file:

- A file that was truncated is looked for under another name in its directory, by its head: the
  copy that a rotation made is read on from the old offset, then the file from its beginning.
- What was created after a file, or after it was last looked at, under a name that a rotation
  gives, and holds what the file does not, is a copy of a life that nobody saw: it is read before
  what the file holds now, with a loss behind it.
- After a truncation a loss is declared wherever unread bytes cannot be excluded: bytes known
  to be unread that no copy holds, and, whatever the copy holds, a file that grew within the
  last second or was not looked at for some seconds. What is written between the copying and
  the truncating is gone, and nobody can count it. A quiet file that was read to its end lost
  nothing.
- In which file a life goes on is given out with the first position of the next: both are kept,
  or neither.
"""

import os
import time

from relay.sources.file_copies import Copies
from relay.sources.file_identity import (
    HEAD_BYTES,
    NO_FILE,
    OpenFile,
    is_beginning,
    is_same_start,
)
from relay.sources.file_reader import FORGOTTEN, FileReader
from relay.sources.file_set import FileSet, Place

__all__ = ["Lives"]

RECENT_SECONDS = 1.0
"""A truncated file that grew within this time may have lost bytes."""

UNSEEN_SECONDS = 3.0
"""So may one that was not looked at for so long: some sweeps were missed."""


class Lives:
    """
    Begin new lives of the files of a set, and find what holds their old ones.

    Args:
        files: which there are.
        copies: which of them may be copies.
    """

    def __init__(self, files: FileSet, copies: Copies) -> None:
        self._files = files
        self._turns = files.turns
        self._copies = copies
        self._renewed: set[FileReader] = set()
        """Files whose new life is just begun."""
        self._is_listening = False
        """Whether the kernel is just asked what came before a file's first bytes."""

    # Truncated

    def renew(self, reader: FileReader) -> None:
        """Begin a new life of a truncated file between two turns."""
        if reader not in self._renewed:
            reader.ended = not self.begin(reader, time.monotonic())
            self._turns.mark(reader)

    def begin(self, reader: FileReader, now: float) -> bool:
        """Begin a new life of a truncated file; return whether the old one goes on in a copy."""
        head = os.pread(reader.fd, HEAD_BYTES, 0) if reader.fd >= 0 else b""
        # After the head: a copy of anything before it has been created by now.
        self._renewed.add(reader)
        try:
            self._files.listen()
        finally:
            self._renewed.discard(reader)
        self._read_copies(reader)
        copy = self._copies.holding(reader)
        # What is lost behind the file is lost behind its last life.
        is_followed_by_loss = reader.lossy
        reader.lossy |= _may_have_lost(reader, copy, now)
        live = self._begin_again(reader, head, copy)
        if live is not None:
            live.lossy = is_followed_by_loss
        reader.left_at, reader.grace_seconds = now, 0.0
        if copy is not None:
            self._move_to_copy(reader, copy)
        if reader.announced:
            self._turns.restate(reader)
        return copy is not None

    def _begin_again(
        self, reader: FileReader, head: bytes, copy: OpenFile | None
    ) -> FileReader | None:
        """Give the file, which is empty or another now, to a reader of its own."""
        places = [place for place in self._files.places.values() if place.current is reader]
        home, younger = self._where_it_goes_on(reader, places)
        if home is None or reader.fd < 0:
            self._files.descriptors.close(reader)
            self._files.unlink(reader)
            reader.key = NO_FILE
            return None
        missed, later = self._missed_between(reader, head, copy)
        for one in missed:
            self._read_missed(home, one, younger)
        live = self._files.insert(home, self._files.descriptors.detach(reader), younger)
        reader.key = NO_FILE
        live.came_told, live.left_told = reader.came_told, reader.left_told
        live.left_at = reader.left_at
        # As it was before copies were looked for: if it is another again by now, its first turn
        # finds that out.
        live.head, live.seen_ns = head, reader.seen_ns
        if copy is not None:
            live.come_after(copy.modified_ns)
        self._files.see(live)
        if later is not None:
            # The copies from here on were passed over.
            live.looked_at = later
        if not live.head:
            self._files.wait_for(live, time.monotonic())
        for place in places:
            place.current = live
        live.places, reader.places = reader.places, 0
        return live

    def _where_it_goes_on(
        self, reader: FileReader, places: list[Place]
    ) -> tuple[Place | None, FileReader | None]:
        """Return the place of a truncated file, and before whom its new life stands there."""
        home = self._files.places.get(reader.path)
        is_queued = home is not None and reader in self._files.queued(reader.path)
        if is_queued and home not in places:
            # It was renamed or deleted since: what came to its path comes behind both lives.
            return home, reader.after
        places.sort(key=lambda place: place.path != reader.path)
        return (places[0] if places else None), None

    def _move_to_copy(self, reader: FileReader, copy: OpenFile) -> None:
        if (other := self._files.known.get(copy.key)) is not None:
            self.take_over(reader, other)
        self._files.descriptors.attach(reader, copy)
        self._files.known[copy.key] = reader
        if copy.size < reader.offset:
            # Made before the last bytes were read: it holds nothing new.
            reader.jump(copy.size)
        self._know(copy)

    # Copies of lives that nobody saw

    def look_at_new(self) -> None:
        """Look before all that have appeared, the newest first: its copies are not another's."""
        unseen = sorted(self._files.unseen, key=lambda one: one.unseen_since or 0.0)
        for reader in reversed(unseen):
            self.look_before(reader)

    def look_before(self, reader: FileReader) -> None:
        """
        Read what a file held before its first bytes were seen, once there are any.

        Call it before any of them is read.
        """
        if reader.unseen_since is None or not reader.head or self._is_listening:
            return
        if self._files.is_behind:
            # It is looked at again once it is known what came before it.
            return
        # Its head is known by now: so are the copies of all that it held before.
        self._is_listening = True
        try:
            self._files.listen()
        finally:
            self._is_listening = False
        if not self._files.is_behind:
            self._read_copies(reader)

    def is_claimed(self, reader: FileReader) -> bool:
        """
        Tell whether a file that has appeared is a copy of what a file held that it is beside.

        Call it before its first byte is read. That the other file was truncated, perhaps more
        than once, may not be noticed yet.
        """
        for original in self._copies.originals(reader):
            if original.fd < 0 or original.ended:
                continue
            if not original.is_intact():
                self.renew(original)
            elif original.head:
                self.look_before(original)
            elif _was_truncated_since(original, reader):
                self._read_copies(original)
        return self._files.known.get(reader.key) is not reader

    def was_missed(self, reader: FileReader) -> bool:
        """Tell whether a file at its end had an earlier life, which is to be read before."""
        self._read_copies(reader)
        return reader.before is not None

    def _read_copies(self, reader: FileReader) -> None:
        since = reader.unseen_since
        if since is None or reader.fd < 0:
            return
        if reader.head:
            self._files.see(reader)
        else:
            # The copies that are known by now are read; others may come.
            self._files.wait_for(reader, time.monotonic())
        if (place := self._files.places.get(reader.path)) is None:
            return
        copies = list(self._copies.of(reader, since))
        # After the copies were listed: of a file that is whole still they hold earlier lives.
        now, is_intact = time.monotonic(), _is_intact(reader)
        later: float | None = None
        for found in copies:
            is_alike = is_same_start(found.head, reader.head)
            # One of this very life; those behind it are of later ones, which are found then.
            if later is None and is_alike and not is_intact:
                later = found.when
            if later is not None or (is_alike and _holds_nothing_else(found.file, reader)):
                found.file.close()
            else:
                self._read_missed(place, found.file, reader)
        reader.looked_at = now if later is None else later

    def _missed_between(
        self, reader: FileReader, head: bytes, copy: OpenFile | None
    ) -> tuple[list[OpenFile], float | None]:
        """
        Open copies of what a truncated file held in lives that were never seen.

        There are any only where the loop was held up while the file was truncated more than
        once: then they were created since the file was last looked at, and hold other text than
        before and now.

        Returns:
            These; and the monotonic time when copies of what it holds now, or will hold, begin.
        """
        missed: list[OpenFile] = []
        later: float | None = None
        for found in list(self._copies.of(reader, reader.looked_at)):
            is_copy = copy is not None and found.file.key == copy.key
            # One of what the file held just now: those behind it are of later lives still.
            if later is None and is_same_start(found.head, head):
                later = found.when
            if is_copy or later is not None or is_same_start(found.head, reader.head):
                found.file.close()
            else:
                missed.append(found.file)
        return missed, later

    def read_lost(
        self, path: str, came: int, left: int, younger: FileReader | None
    ) -> list[FileReader]:
        """
        Read the copies of a file that had a path and can be read no more.

        Args:
            path: of the source.
            came: number of the change by which the file came to it.
            left: number of the change by which it left it.
            younger: before whom they stand; ``None``: they are the newest.

        Returns:
            Who reads them, in their order.
        """
        place = self._files.place(path)
        copies = self._copies.of_lost(path, came, left)
        return [self._read_missed(place, copy.file, younger) for copy in list(copies)]

    def _read_missed(self, place: Place, copy: OpenFile, younger: FileReader | None) -> FileReader:
        """Read a copy of a life that nobody saw; what was written behind it is gone."""
        other = self._files.known.get(copy.key)
        missed = self._files.insert(place, copy, younger)
        missed.left_at, missed.grace_seconds, missed.lossy = time.monotonic(), 0.0, True
        self._files.see(missed)
        if other is not None:
            self.take_over(missed, other)
        self._know(copy)
        return missed

    def _know(self, copy: OpenFile) -> None:
        """Know a copy under its name too: else it would be found and read as a new file."""
        if self._files.patterns.matches(copy.path):
            self._files.look(copy.path)

    def take_over(self, reader: FileReader, other: FileReader) -> None:
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


# What cannot be read is no copy, and keeps no other file from being read.


def _was_truncated_since(empty: FileReader, copy: FileReader) -> bool:
    """Tell whether a file that is empty may have been truncated after another was written."""
    return os.fstat(empty.fd).st_mtime_ns >= os.fstat(copy.fd).st_mtime_ns


def _holds_nothing_else(copy: OpenFile, reader: FileReader) -> bool:
    try:
        return is_beginning(copy.fd, reader.fd)
    except OSError:
        return True


def _is_intact(reader: FileReader) -> bool:
    try:
        return reader.is_intact()
    except OSError:
        return True


def _may_have_lost(reader: FileReader, copy: OpenFile | None, now: float) -> bool:
    """Tell whether a truncated file may have held bytes that nobody can read any more."""
    is_whole = copy is not None and copy.size >= reader.offset
    size = copy.size if copy is not None and is_whole else max(reader.size, len(reader.head))
    return (
        now - reader.grown_at < RECENT_SECONDS
        or now - reader.looked_at > UNSEEN_SECONDS
        or size > reader.offset
    )
