"""
Which files a source has.

Each path leads to at most one file; each file, by device and inode, has one reader however
many paths lead to it. A path that leads elsewhere leaves its file to be finished; the next file
of that path waits behind it.
"""

import errno
import logging
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from math import inf

from relay.entry import Batch, Loss, Origin, Position, Reason
from relay.sources.base import ReaderStatus, SourceState
from relay.sources.file_births import Births
from relay.sources.file_descriptors import Descriptors
from relay.sources.file_identity import FileKey, OpenFile, key_of, open_file
from relay.sources.file_left import Left
from relay.sources.file_reader import FORGOTTEN, FileReader, ReaderSettings
from relay.sources.file_scan import Patterns
from relay.sources.file_turns import Turns
from relay.sources.file_watch import NameEvent, Watch

__all__ = ["FileSet", "Lane", "Place"]

log = logging.getLogger(__name__)

NAME_NS = 1 << 20
"""Between the names of two readers: room for those of files that are found late."""

Lane = tuple[str, Origin]
"""Channel and origin of a path's lines."""


@dataclass(slots=True)
class Place:
    """
    One path of the source.

    Args:
        path: as the patterns spell it.
        row: what status shows for it.
        current: reader of the file that it leads to.
        last: reader of the newest file whose lines are this path's.
        settled: reader of the file that it led to when all was known that had been told.
    """

    path: str
    row: ReaderStatus
    current: FileReader | None = None
    last: FileReader | None = None
    settled: FileReader | None = None


class FileSet:
    """
    Keep the readers of a source's files.

    Args:
        settings: of all readers.
        patterns: which files.
        lane: channel and origin for a path.
    """

    def __init__(
        self, settings: ReaderSettings, patterns: Patterns, lane: Callable[[str], Lane]
    ) -> None:
        self.turns = Turns()
        self.places: dict[str, Place] = {}
        self.known: dict[FileKey, FileReader] = {}
        self.watch: Watch | None = None
        """Inotify, where it is used."""
        self.running = False
        """Whether a file that is found now has appeared since the start."""
        self.settings = settings
        self.status = settings.status
        self.patterns = patterns
        self._lane = lane
        self.descriptors = Descriptors(self.known, self.turns)
        self.left = Left(patterns, self._forget_left)
        """Of paths that lead nowhere now."""
        self.unseen: set[FileReader] = set()
        """Readers of files of which no bytes have been seen."""
        self.told = 0
        """How many changes of names were told."""
        self.ahead: dict[FileReader, int] = {}
        """Readers of files of whose coming no event may have told yet, in the order in which
        they were opened; and how many changes had been told then."""
        self.is_behind = False
        """Whether names go on changing while they are looked at: then it is not known yet which
        file comes before which, and none that is new is begun."""
        self.born_ns = 0
        """When the newest reader was made; later ones are younger whatever the clock shows."""
        self.births = Births()
        """Of files that were lately created, and of those beside them."""

    def close(self) -> None:
        """Release everything."""
        if self.watch is not None:
            self.watch.close()
            self.watch = None
        for reader in list(self.known.values()):
            reader.close()
        self.known.clear()

    def listen(self) -> None:
        """
        Take in what the kernel has to tell.

        Call it before paths are looked at unasked: a file is opened at the place that its
        names' changes give it.
        """
        if self.watch is not None:
            self.watch.read()
        else:
            self.ahead.clear()

    def gather(self) -> list[NameEvent]:
        """Return what the kernel has to tell of names; what it tells of files comes later."""
        return self.watch.gather() if self.watch is not None else []

    def settle(self, path: str) -> None:
        """Note that events have told how a path came to lead where it does."""
        if (place := self.places.get(path)) is not None:
            place.settled = place.current

    # What is where

    def look(self, path: str) -> None:
        """Take note of what a path leads to now."""
        place = self.place(path)
        with ExitStack() as watched:
            self._look(place, watched)

    def _look(self, place: Place, watched: ExitStack) -> None:
        path, key = place.path, None
        try:
            key = key_of(os.stat(path))
            if place.current is not None and place.current.key == key:
                return
            if self.watch is not None:
                watched.enter_context(self.watch.expecting(path))
            file = open_file(path)
        except (FileNotFoundError, NotADirectoryError) as error:
            self._leave(place)
            self._say(place, "missing", error.strerror)
        except OSError as error:
            if key is not None:
                self._leave(place)
            self._say(place, "unreadable", error.strerror)
        else:
            self._leave(place)
            if file is None:
                self._say_what_it_is(place)
            else:
                self._enter(place, file)

    def glance(self, place: Place, now: float) -> None:
        """Notice what no event told: another file, another size, another time."""
        reader = place.current
        try:
            found = os.stat(place.path)
        except OSError:
            self.look(place.path)
            return
        if reader is None or reader.key != key_of(found):
            self.look(place.path)
            return
        if found.st_size == reader.size and found.st_mtime_ns == reader.changed_ns:
            reader.note_look(now)
        else:
            reader.note_size(found.st_size, now)
            reader.changed_ns = found.st_mtime_ns
            self.turns.mark(reader)

    def place(self, path: str) -> Place:
        """Return the place of a path that is one of the source's."""
        place = self.places.get(path)
        if place is None:
            place = self.places[path] = Place(path, ReaderStatus("waiting"))
        return place

    def _enter(self, place: Place, file: OpenFile) -> None:
        reader = self.known.get(file.key)
        if reader is not None:
            file.close()
        else:
            try:
                reader = self._again(place, file) or self.new_life(place, file)
            except OSError as error:
                file.close()
                self._say(place, "unreadable", error.strerror)
                return
            self.ahead[reader] = self.told
            if self.running:
                self.note_appeared(reader)
        self._put_in(place, reader)

    def note_appeared(self, reader: FileReader) -> None:
        """Let a file that has come since files were last read wait, if it may be a copy."""
        if not reader.offset and reader.left_at is None:
            reader.appeared, reader.grown_at = True, time.monotonic()

    def _put_in(self, place: Place, reader: FileReader) -> None:
        place.current = reader
        reader.places += 1
        if reader.path == place.path and reader.after is None:
            # It came back to its name.
            reader.left_at, reader.left_told, reader.done = None, inf, False
        self._say(place, "reading")

    def _leave(self, place: Place) -> None:
        reader, place.current = place.current, None
        if reader is not None:
            reader.places -= 1
            if not reader.places or reader.path == place.path:
                self._finish_soon(reader)
        elif place.last is not None and not place.last.places and place.last.left_at is None:
            # It went after it was taken up, and before its path was looked at.
            self._finish_soon(place.last)

    def _finish_soon(self, reader: FileReader) -> None:
        reader.left_at, reader.done = time.monotonic(), False
        self.turns.mark(reader)

    def _say(self, place: Place, state: str, detail: str | None = None) -> None:
        if state == "missing" and not self.patterns.is_plain(place.path):
            # A glob's files come and go; only what was named itself is missed.
            if place.last is None:
                self._remove(place)
                return
            state, detail = "reading", "the rest of a file that is gone"
        before = place.row.state
        # While a file is rotated it is missing for a moment, which is nothing to tell.
        if (state, before) == ("missing", "waiting") or before != state == "unreadable":
            log.warning("%s: waiting for %s: %s", self.status.name, place.path, detail)
        place.row.state, place.row.detail = state, detail
        self.status.readers[_shown(place.path)] = place.row

    def _say_what_it_is(self, place: Place) -> None:
        if not os.path.isdir(place.path):
            self._say(place, "unreadable", "not a regular file")
        elif self.patterns.is_plain(place.path):
            self._say(place, "unreadable", f"is a directory; its files are {place.path}/*")
        else:
            self._remove(place)

    def _remove(self, place: Place) -> None:
        self.places.pop(place.path, None)
        self.status.readers.pop(_shown(place.path), None)

    # Readers

    def new_life(self, place: Place, file: OpenFile, name: str = "") -> FileReader:
        """Read a file from its beginning, once the one before it in its place is finished."""
        reader = self.reader(place, file, name or self.new_name(file.key))
        if self.running:
            birth = self.births.get(file.path)
            self.wait_for(reader, birth.when if birth is not None else time.monotonic())
        self.left.drop(place.path)
        if place.last is not None:
            reader.come_after(place.last.changed_ns)
        self.queue(place, reader)
        self.keep(reader)
        self.turns.announce(reader)
        return reader

    def wait_for(self, reader: FileReader, since: float) -> None:
        """Wait for the first bytes of a file that was created at this monotonic time."""
        reader.unseen_since = since
        self.unseen.add(reader)

    def see(self, reader: FileReader) -> None:
        """Wait no more for the first bytes of a file."""
        reader.unseen_since = None
        self.unseen.discard(reader)

    def _again(self, place: Place, file: OpenFile) -> FileReader | None:
        """Read on a file that was read to its end and has come back to its name since."""
        if (found := self.left.take(place.path, file)) is None:
            return None
        name, stands = found
        reader = self.reader(place, file, name)
        reader.go_on(stands.offset, in_part=stands.in_part)
        self.queue(place, reader)
        self.keep(reader)
        self.turns.put(reader.batch())
        self.turns.mark(reader)
        return reader

    def new_name(self, key: FileKey) -> str:
        """Return a name for a reader that is made now."""
        self.born_ns = max(time.time_ns(), self.born_ns + NAME_NS)
        return FileReader.new_name(key, self.born_ns)

    def _forget_left(self, path: str, name: str) -> None:
        self.turns.put(replace(self.loss(path, name, FORGOTTEN), loss=None))

    def insert(self, place: Place, file: OpenFile, younger: FileReader | None) -> FileReader:
        """Read a file from its beginning before one that was opened first, or as the newest."""
        if younger is None:
            return self.new_life(place, file)
        newest, place.last = place.last, younger.before
        reader = self.new_life(place, file, self._name_before(file.key, younger))
        reader.after, younger.before = younger, reader
        place.last = newest
        return reader

    def _name_before(self, key: FileKey, younger: FileReader) -> str:
        """Return a name that stands between those of a reader and of the one before it."""
        born_ns = FileReader.made_ns(younger.name)
        older = younger.before
        since_ns = born_ns - 2 * NAME_NS if older is None else FileReader.made_ns(older.name)
        return FileReader.new_name(key, (since_ns + born_ns) // 2)

    def reader(self, place: Place, file: OpenFile, name: str) -> FileReader:
        """Make a reader whose lines are those of ``place``."""
        channel, origin = self._lane(place.path)
        return FileReader(self.settings, name, place.path, channel, origin, place.row, file)

    def queue(self, place: Place, reader: FileReader) -> None:
        """Let a reader wait until the last file of its place is finished."""
        if place.last is not None:
            place.last.after, reader.before = reader, place.last
        place.last = reader

    def queued(self, path: str) -> list[FileReader]:
        """Return the readers whose lines are a path's and that are not finished, oldest first."""
        place, found = self.places.get(path), []
        reader = place.last if place is not None else None
        while reader is not None:
            found.append(reader)
            reader = reader.before
        return found[::-1]

    def keep(self, reader: FileReader) -> None:
        """Know a reader by its file, and watch that."""
        self.descriptors.make_room()
        if not reader.head and reader.unseen_since is None:
            self.wait_for(reader, time.monotonic())
        self.known[reader.key] = reader
        self.status.enter(SourceState.RUNNING)
        if self.watch is not None:
            try:
                self.watch.follow(reader)
            except OSError as error:
                self.fall_back(error)

    def forget(self, reader: FileReader) -> None:
        """Close a reader for good."""
        if self.watch is not None:
            self.watch.drop(reader)
        self.descriptors.close(reader)
        self.turns.drop(reader)
        self.see(reader)
        self.unlink(reader)
        if not self.known:
            self.status.enter(SourceState.WAITING)

    def unlink(self, reader: FileReader) -> None:
        """Know a reader no more by the file that it reads now."""
        if self.known.get(reader.key) is reader:
            del self.known[reader.key]

    def fall_back(self, error: OSError) -> None:
        """Go on without inotify, and say so."""
        if self.watch is not None:
            self.watch.close()
            self.watch = None
        self.is_behind = False
        self.turns.mark_all(self.unseen)
        reason = error.strerror
        if error.errno == errno.ENOSPC:
            reason = "the limit fs.inotify.max_user_watches is reached"
        elif error.errno == errno.EMFILE:
            reason = "the limit fs.inotify.max_user_instances is reached"
        self.status.fail(f"cannot use inotify: {reason}; looks at the files every 100 ms instead")
        self.turns.wake.set()

    def loss(self, path: str, reader: str = "", position: Position | None = None) -> Batch:
        """Return a loss that nobody can count, in the channel of a path."""
        channel, _ = self._lane(path)
        return Batch(
            self.settings.source,
            channel,
            reader=reader,
            position=position,
            loss=Loss(Reason.SOURCE),
        )


def _shown(path: str) -> str:
    """Return a path that may hold any bytes as text."""
    return os.fsencode(path).decode(errors="replace")
