"""
The files of open segments: appended at their recorded length, cut, synced.

Rule of this file: it knows paths and bytes, not what they mean. What is written lies at its
place in the file whatever an earlier attempt left there.
"""

import errno
import os
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

__all__ = [
    "SegmentFiles",
    "lacks_room",
    "make_directories",
    "problem_of",
    "remove_files",
    "sync_directory",
    "sync_file",
]

MAX_OPEN = 128
"""Descriptors that are kept; the one that was longest not used is closed."""


class SegmentFiles:
    """
    Writes files, from one thread at a time; :meth:`sync` and :meth:`remove` may run in others.

    They are known by their names, which are paths below the directory: thousands of these are
    looked up in a second, and a :class:`~pathlib.Path` costs as much as writing.

    Args:
        directory: above which no directory is made or synced.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._top = f"{directory}/"
        self._open: OrderedDict[str, int] = OrderedDict()
        self._lock = threading.Lock()
        self._unsynced: set[str] = set()
        self._syncing = threading.Lock()
        self._new_in: set[Path] = set()
        self._directories = threading.Lock()
        """Held while a file is made in one, and while those that are empty are removed."""

    def create(self, name: str) -> None:
        """
        Make an empty file, and the directories that it needs.

        Raises:
            OSError: it cannot be made.
        """
        self.close(name)
        path = self._directory / name
        with self._directories:
            make_directories(path, self._directory)
            self._keep(name, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        with self._lock:
            self._new_in.update(_directories_of(path, self._directory))

    def find(self, name: str) -> bool:
        """
        Open a file, and tell whether it is there: one that was deleted is not.

        Raises:
            OSError: it is there, and cannot be opened.
        """
        descriptor = self._open.get(name)
        if descriptor is not None:
            if os.fstat(descriptor).st_nlink:
                return True
            self.close(name)
        try:
            self._keep(name, os.open(self._top + name, os.O_WRONLY))
        except FileNotFoundError:
            return False
        return True

    def write(self, name: str, offset: int, pieces: Sequence[bytes]) -> None:
        """
        Write all of a text, which is in pieces, at a place of a file that was created or found.

        Raises:
            OSError: not all of it could be written.
        """
        descriptor = self._descriptor(name)
        try:
            written = os.pwritev(descriptor, pieces, offset)
            left = sum(map(len, pieces)) - written
            if left:
                text = memoryview(b"".join(pieces))
                while left:
                    left -= os.pwrite(descriptor, text[-left:], offset + len(text) - left)
        finally:
            # Behind it: one who syncs meanwhile would have taken note of it, and missed it.
            with self._lock:
                self._unsynced.add(name)

    def cut(self, name: str, length: int) -> None:
        """
        Let go of what stands behind a place of a file that was created or found.

        Raises:
            OSError: it cannot be cut.
        """
        os.ftruncate(self._descriptor(name), length)

    def close(self, name: str) -> None:
        """Close a file, if it is open."""
        descriptor = self._open.pop(name, None)
        if descriptor is not None:
            os.close(descriptor)

    def close_all(self) -> None:
        """Close all files."""
        for name in list(self._open):
            self.close(name)

    def close_deleted(self) -> None:
        """Close files that somebody deleted, so that they are looked for again."""
        for name, descriptor in list(self._open.items()):
            if not os.fstat(descriptor).st_nlink:
                self.close(name)

    def sync(self) -> bool:
        """
        Let the disk have what was written since the last time, and the names of new files.

        Returns:
            Whether there was anything.

        Raises:
            OSError: it could not have it; the next call tries again.
        """
        # What somebody else has taken up meanwhile is not on the disk before that is done.
        with self._syncing:
            return self._sync()

    def _sync(self) -> bool:
        with self._lock:
            names, self._unsynced = self._unsynced, set()
            directories, self._new_in = self._new_in, set()
        try:
            for name in names:
                sync_file(self._directory / name)
            for path in directories:
                sync_directory(path)
        except OSError:
            with self._lock:
                self._unsynced |= names
                self._new_in |= directories
            raise
        return bool(names or directories)

    def remove(self, names: Sequence[str]) -> list[str]:
        """
        Remove files that are closed; see :func:`remove_files`.

        A file of some MiB takes milliseconds, for which no other is held up.
        """
        gone = _unlinked(self._directory, names)
        with self._directories:
            _remove_directories(self._directory, names)
        return gone

    def _keep(self, name: str, descriptor: int) -> None:
        self._open[name] = descriptor
        if len(self._open) > MAX_OPEN:
            os.close(self._open.popitem(last=False)[1])

    def _descriptor(self, name: str) -> int:
        # One that was deleted since is noticed by whoever plans the next text for it.
        if name not in self._open and not self.find(name):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        self._open.move_to_end(name)
        return self._open[name]


def _directories_of(path: Path, top: Path) -> list[Path]:
    """Return the directories above a path, up to and with ``top``."""
    above = list(path.parents)
    return above[: above.index(top) + 1]


def make_directories(path: Path, top: Path) -> None:
    """
    Make the directories between ``top``, which must be there, and a file.

    Raises:
        OSError: one cannot be made.
    """
    for directory in reversed(_directories_of(path, top)[:-1]):
        directory.mkdir(mode=0o700, exist_ok=True)


def sync_file(path: Path) -> None:
    """Let the disk have a file's bytes; one that is gone needs nothing."""
    with suppress(FileNotFoundError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)


def sync_directory(path: Path) -> None:
    """Let the disk have the names in a directory; one that is gone needs nothing."""
    with suppress(FileNotFoundError):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove_files(directory: Path, names: Sequence[str]) -> list[str]:
    """
    Remove files of segments, whatever form they have, and directories that are left empty.

    Args:
        directory: the state directory.
        names: paths below it; ``….ndjson`` goes with what was made of it.

    Returns:
        The names of those that are gone.
    """
    gone = _unlinked(directory, names)
    _remove_directories(directory, names)
    return gone


def _unlinked(directory: Path, names: Sequence[str]) -> list[str]:
    gone = []
    for name in names:
        try:
            for suffix in ("", ".tmp"):
                (directory / (name + suffix)).unlink(missing_ok=True)
        except OSError:
            continue
        gone.append(name)
    return gone


def _remove_directories(directory: Path, names: Sequence[str]) -> None:
    for parent in {(directory / name).parent for name in names}:
        # Where something is in it, it stays.
        with suppress(OSError):
            parent.rmdir()
            parent.parent.rmdir()


def problem_of(error: Exception) -> str:
    """Return the system's own words, in lower case; the error's name where it has none."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error).lower() or type(error).__name__


def lacks_room(error: BaseException | None) -> bool:
    """Tell whether something failed since the disk is full, as far as its error says."""
    if isinstance(error, sqlite3.Error):
        # Of its own files SQLite says no more than this, be they without room or without right.
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF
        return code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
