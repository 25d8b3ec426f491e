"""
Whose turn it is: the order in which a source's files are read.

Files that have something to read wait in a ring. Deadlines (an unfinished line, a rotated
file's grace) are kept for the few files that have one: no timer is made per line or file.
"""

import asyncio
from collections.abc import Iterable
from math import inf

from relay.entry import Batch
from relay.sources.file_reader import FileReader

__all__ = ["Turns"]

MOST_BATCHES = 256


class Turns:
    """Remember which files are to be read, and which are to be looked at when."""

    def __init__(self) -> None:
        self.wake = asyncio.Event()
        """Set when there is something to do."""
        self.ready: dict[FileReader, None] = {}
        self.next_due = inf
        """Monotonic time before which no deadline passes."""
        self._due: dict[FileReader, float] = {}
        self._new: list[FileReader] = []
        self._batches: list[Batch] = []
        self._behind: list[Batch] = []
        self._restated: dict[FileReader, None] = {}

    @property
    def is_idle(self) -> bool:
        """Whether nothing is to be read or given out."""
        waiting = self._new or self._batches or self._behind or self._restated
        return not (self.ready or waiting)

    def announce(self, reader: FileReader) -> None:
        """Give out a new reader's first position; only then it is read."""
        self._new.append(reader)
        self.wake.set()

    def mark(self, reader: FileReader) -> None:
        """Read a file when its turn comes."""
        self.ready[reader] = None
        self.wake.set()

    def mark_all(self, readers: Iterable[FileReader]) -> None:
        """Read files when their turns come."""
        for reader in readers:
            self.mark(reader)

    def put(self, batch: Batch) -> None:
        """Give out a batch that is of no reader, or of one that is no more."""
        self._batches.append(batch)
        self.wake.set()

    def put_behind(self, batch: Batch) -> None:
        """Give out a batch once all first positions are out."""
        self._behind.append(batch)
        self.wake.set()

    def restate(self, reader: FileReader) -> None:
        """Give out where a reader stands, with the first positions of those that are new."""
        self._restated[reader] = None
        self.wake.set()

    def set_due(self, reader: FileReader, due: float) -> None:
        """Mark a file at a monotonic time."""
        self._due[reader] = due
        self.next_due = min(self.next_due, due)

    def mark_due(self, now: float) -> None:
        """Mark the files whose time has come. Cheap while there is none."""
        if now >= self.next_due:
            for reader in [reader for reader, due in self._due.items() if due <= now]:
                del self._due[reader]
                self.mark(reader)
            self.next_due = min(self._due.values(), default=inf)

    def drop(self, reader: FileReader) -> None:
        """Forget a reader that is read no more."""
        self.ready.pop(reader, None)
        self._due.pop(reader, None)
        self._restated.pop(reader, None)
        if not reader.announced and reader in self._new:
            self._new.remove(reader)

    def take_put(self) -> list[Batch]:
        """Return what was put, and the first positions of new readers: they belong together."""
        batches, self._batches = self._batches, []
        batches += [reader.batch() for reader in self._restated if reader.announced]
        self._restated = {}
        new, self._new = self._new[:MOST_BATCHES], self._new[MOST_BATCHES:]
        for reader in new:
            reader.announced = True
            self.mark(reader)
        batches += [reader.batch() for reader in new]
        if not self._new:
            batches += self._behind
            self._behind = []
        return batches

    def take_next(self) -> FileReader | None:
        """Return whose turn it is among those whose first position is out."""
        while self.ready:
            reader = next(iter(self.ready))
            del self.ready[reader]
            if reader.announced:
                return reader
        return None
