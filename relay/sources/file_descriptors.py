"""
The open files of a source: no more than a process can have at once.

Those that are idle are closed when there are too many, and opened again when there is something
to read.
"""

import os
import resource
from collections.abc import Mapping

from relay.sources.file_identity import (
    FileKey,
    OpenFile,
    directories_of,
    find_key,
    open_key,
)
from relay.sources.file_reader import FileReader
from relay.sources.file_turns import Turns

__all__ = ["Descriptors"]


class Descriptors:
    """
    Count the files that are open, and close some.

    Args:
        readers: that may have an open file.
        turns: a file that waits for its turn is not idle.
    """

    def __init__(self, readers: Mapping[FileKey, FileReader], turns: Turns) -> None:
        self._readers = readers
        self._turns = turns
        self._open = 0
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        # The server's sockets need descriptors too.
        self._most = max(64, soft // 4)

    def reopen(self, reader: FileReader) -> bool:
        """Open again a file that was closed for being idle; ``False``: it is gone."""
        file = open_key(reader.path, reader.key)
        if file is None:
            file = find_key(directories_of(reader.path), reader.key)
        if file is not None:
            self.attach(reader, file)
        return file is not None

    def attach(self, reader: FileReader, file: OpenFile) -> None:
        """Give an open file to a reader that has none."""
        self.make_room()
        reader.move_to(file)

    def detach(self, reader: FileReader) -> OpenFile:
        """Take a reader's open file from it."""
        found = os.fstat(reader.fd)
        file = OpenFile(reader.path, reader.fd, reader.key, found.st_size, found.st_mtime_ns)
        reader.fd = -1
        self._open -= 1
        return file

    def close(self, reader: FileReader) -> None:
        """Close a reader's file; it is opened again when there is something to read."""
        if reader.fd >= 0:
            self._open -= 1
            reader.close()

    def make_room(self) -> None:
        """Count a file that is opened, and close others where there are too many."""
        self._open += 1
        if self._open > self._most:
            idle = [
                reader
                for reader in self._readers.values()
                if reader.fd >= 0 and reader.left_at is None and reader not in self._turns.ready
            ]
            idle.sort(key=lambda reader: (reader.size > reader.offset, reader.grown_at))
            for reader in idle[: self._most // 8]:
                self.close(reader)
