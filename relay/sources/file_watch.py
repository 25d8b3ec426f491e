"""
What the kernel tells about files and directories: inotify.

One instance for a source, since a user has only 128 of them. Files are watched by their open
descriptor, so that a watch is of the file that was opened whatever happens to its name;
directories for names that come, go and change. Names are told first, then files: each event
tells its listener to look for itself. Telling goes on for 20 ms, then the loop has its turn.
"""

import asyncio
import errno
import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from relay.sources.file_identity import FileKey
from relay.sources.file_reader import FileReader

__all__ = ["FileEvents", "NameChange", "NameEvent", "Watch"]

COALESCE_SECONDS = 0.004
COALESCE_WAKES = 8
"""So many wakes within that time are answered at once; only then is the rest awaited. A
thousand lines a second, evenly written, are thus never held back."""

TELL_SECONDS = 0.02
"""For how long is told of files before the loop has its turn: what is told may take reading."""

# From inotify(7). The module that reads the events is imported only where there is inotify.
MODIFY, ATTRIB, MOVED_FROM, MOVED_TO = 0x2, 0x4, 0x40, 0x80
CREATE, DELETE, MOVE_SELF = 0x100, 0x200, 0x800
Q_OVERFLOW, IGNORED, ONLYDIR = 0x4000, 0x8000, 0x01000000
MASK_ADD, ISDIR = 0x20000000, 0x40000000

OF_FILE = MODIFY | ATTRIB | MOVE_SELF
OF_DIRECTORY = CREATE | MOVED_TO | MOVED_FROM | DELETE | ATTRIB | ONLYDIR


class NameChange(Enum):
    """What happened to a name in a directory."""

    CREATED = CREATE
    DELETED = DELETE
    MOVED_FROM = MOVED_FROM
    MOVED_TO = MOVED_TO
    ATTRIBUTES = ATTRIB


@dataclass(frozen=True, slots=True)
class NameEvent:
    """
    One change of a name.

    Args:
        path: spelled as the directory was given.
        change: what happened.
        cookie: the same for the two halves of a move.
        is_directory: whether it is the name of a directory.
        reader: who reads the file that was deleted, where that is known.
    """

    path: str
    change: NameChange
    cookie: int
    is_directory: bool = False
    reader: FileReader | None = None


class FileEvents(Protocol):
    """Who is told. Called on the loop, at any time; must not raise."""

    def file_changed(self, reader: FileReader) -> None:
        """Its file was written, or truncated, or its mode changed."""

    def file_moved(self, reader: FileReader) -> None:
        """Its file has another name, or fewer names."""

    def names_changed(self, events: Sequence[NameEvent]) -> None:
        """These names came or went, in this order; none, where nothing did until now."""

    def events_lost(self) -> None:
        """The kernel's queue was full: anything may have happened."""


class Watch:
    """
    One inotify instance on the running loop.

    Args:
        events: who is told.

    Raises:
        OSError: there is no inotify, or no instance left.
    """

    def __init__(self, events: FileEvents) -> None:
        try:
            import inotify_simple
        except ImportError as error:
            raise OSError(errno.ENOSYS, "inotify_simple is not installed") from error
        self._events = events
        self._inotify = inotify_simple.INotify(nonblocking=True)
        self._readers: dict[int, FileReader] = {}
        self._directories: dict[str, tuple[FileKey, int]] = {}
        self._paths: dict[int, list[str]] = {}
        self._loop = asyncio.get_running_loop()
        self._untold: deque[tuple[int, int]] = deque()
        self._is_telling = False
        self._rest: asyncio.Handle | None = None
        """That the rest will be told, where telling took long."""
        self._window_end = 0.0
        self._wakes = 0
        self._listen()

    def close(self) -> None:
        """Forget all watches."""
        if self._rest is not None:
            self._rest.cancel()
        self._loop.remove_reader(self._inotify.fileno())
        self._inotify.close()

    @contextmanager
    def expecting(self, path: str) -> Iterator[None]:
        """
        Watch the file that a path leads to while it is opened, and on if it is followed then.

        So nothing that happens to it goes untold, though it happens before it is followed.
        """
        try:
            watch = self._inotify.add_watch(path, OF_FILE | MASK_ADD)
        except OSError:
            watch = None
        try:
            yield
        finally:
            is_used = watch in self._readers or watch in self._paths
            if watch is not None and not is_used and not self._inotify.closed:
                self._remove(watch)

    def follow(self, reader: FileReader) -> None:
        """
        Watch a reader's open file, in the place of any other reader of the same file.

        Raises:
            OSError: the limit of watches is reached.
        """
        try:
            watch = self._inotify.add_watch(f"/proc/self/fd/{reader.fd}", OF_FILE)
        except FileNotFoundError:
            # No /proc here. The name may lead elsewhere by now: the sweep finds that out.
            watch = self._inotify.add_watch(reader.path, OF_FILE)
        self._readers[watch] = reader
        reader.watch = watch

    def drop(self, reader: FileReader) -> None:
        """Watch a reader's file no more, unless another reader follows it now."""
        watch, reader.watch = reader.watch, None
        if watch is not None and self._readers.get(watch) is reader:
            del self._readers[watch]
            self._remove(watch)

    def follow_directories(self, found: dict[str, FileKey]) -> bool:
        """
        Watch these directories and no others.

        Returns:
            Whether any is newly watched: names may have come to it before.

        Raises:
            OSError: the limit of watches is reached.
        """
        for path in self._directories.keys() - found.keys():
            self._leave_directory(path)
        new = [path for path, key in found.items() if self._key_of(path) != key]
        for path in new:
            self._leave_directory(path)
            self._follow_directory(path, found[path])
        return bool(new)

    def read(self) -> None:
        """
        Tell what has happened until now.

        It is asked again by those who are told of files: what is new of names they are told at
        once, of files once they have returned.
        """
        # Names first: a file that turns out to be truncated is then looked for in copies that
        # are known to be new.
        self._events.names_changed(self.gather())
        if not self._is_telling:
            self._is_telling = True
            try:
                self._tell_files()
            finally:
                self._is_telling = False

    def _tell_files(self) -> None:
        until = time.monotonic() + TELL_SECONDS
        while self._untold:
            watch, mask = self._untold.popleft()
            if mask & Q_OVERFLOW:
                self._events.events_lost()
            else:
                self._tell_file(watch, mask)
            if self._untold and time.monotonic() > until:
                self._go_on_soon()
                return

    def _go_on_soon(self) -> None:
        if self._rest is not None:
            self._rest.cancel()
        self._rest = self._loop.call_soon(self.read)

    def gather(self) -> list[NameEvent]:
        """Return what has happened to names; :meth:`read` tells what has to files."""
        names: list[NameEvent] = []
        unlinked: FileReader | None = None
        for watch, mask, cookie, name in self._inotify.read(timeout=0):
            if watch in self._paths:
                names.extend(self._names(watch, mask, cookie, name, unlinked))
                unlinked = None
            else:
                self._untold.append((watch, mask))
                # That a file is deleted is told of itself, then of its name.
                unlinked = self._readers.get(watch) if mask & ATTRIB else None
        return names

    async def calm(self) -> None:
        """Wait a little where events have come in quick succession, so that fewer wakes do."""
        now = time.monotonic()
        if now >= self._window_end:
            self._window_end = now + COALESCE_SECONDS
            self._wakes = 0
        self._wakes += 1
        if self._wakes > COALESCE_WAKES:
            self._loop.remove_reader(self._inotify.fileno())
            try:
                await asyncio.sleep(self._window_end - now)
            finally:
                self._listen()
            self.read()

    def _listen(self) -> None:
        self._loop.add_reader(self._inotify.fileno(), self.read)

    def _key_of(self, path: str) -> FileKey | None:
        known = self._directories.get(path)
        return known[0] if known else None

    def _follow_directory(self, path: str, key: FileKey) -> None:
        try:
            watch = self._inotify.add_watch(path or os.curdir, OF_DIRECTORY)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise
            # Gone, or not readable: its names are seen by scans only.
            return
        self._directories[path] = key, watch
        self._paths.setdefault(watch, []).append(path)

    def _leave_directory(self, path: str) -> None:
        if path not in self._directories:
            return
        _, watch = self._directories.pop(path)
        paths = self._paths.get(watch, [path])
        paths.remove(path)
        if not paths:
            del self._paths[watch]
            self._remove(watch)

    def _remove(self, watch: int) -> None:
        try:
            self._inotify.rm_watch(watch)
        except OSError as error:
            # The kernel removed it itself with its file.
            if error.errno != errno.EINVAL:
                raise

    def _tell_file(self, watch: int, mask: int) -> None:
        reader = self._readers.get(watch)
        if reader is None:
            return
        if mask & IGNORED:
            del self._readers[watch]
        elif mask & (MODIFY | ATTRIB):
            self._events.file_changed(reader)
        if mask & (MOVE_SELF | ATTRIB):
            self._events.file_moved(reader)

    def _names(
        self, watch: int, mask: int, cookie: int, name: str, unlinked: FileReader | None
    ) -> list[NameEvent]:
        if mask & IGNORED:
            for path in self._paths.pop(watch):
                del self._directories[path]
            return []
        change = next((change for change in NameChange if mask & change.value), None)
        if change is None or not name:
            return []
        if change is not NameChange.DELETED or unlinked is None or not _is_nameless(unlinked):
            unlinked = None
        is_directory = bool(mask & ISDIR)
        names = [os.path.join(path, name) for path in self._paths[watch]]
        return [NameEvent(path, change, cookie, is_directory, unlinked) for path in names]


def _is_nameless(reader: FileReader) -> bool:
    try:
        return reader.fd >= 0 and os.fstat(reader.fd).st_nlink == 0
    except OSError:
        return False
