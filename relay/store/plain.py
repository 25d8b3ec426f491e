"""
Segments as they are while lines are appended to them, read by the chunk.

Chunks are as in :func:`relay.store.segment.chunks`. Only as much is read as the index says:
what stands behind it is not committed.
"""

import os
from pathlib import Path

from relay.store.segment import CHUNK_BYTES, OBJECT

__all__ = ["PlainText"]

LOOK_BYTES = 16 * 1024
"""How much is read at once in search of an object."""


class PlainText:
    """
    A segment that is not compressed, open for reading; several threads may read.

    Args:
        path: of the file.
        length: how much of it is read; it may be shorter.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path, length: int) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        self._length = min(length, os.fstat(self._descriptor).st_size)
        self._starts = {0: 0}
        self.count = -(-self._length // CHUNK_BYTES)
        """How many chunks it has; those that begin inside a long line or a bundle are empty."""

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def may_lack(self, length: int) -> bool:
        """Tell whether some of so much text is not there."""
        return self._length < length

    def length(self, index: int) -> int:
        """Return the bytes of a chunk."""
        return self._start(index + 1) - self._start(index)

    def read(self, index: int) -> bytes:
        """
        Return a chunk.

        Raises:
            OSError: it cannot be read.
        """
        return os.pread(self._descriptor, self.length(index), self._start(index))

    def _start(self, index: int) -> int:
        """Return where a chunk starts: at the first object behind a multiple."""
        if index >= self.count:
            return self._length
        if index not in self._starts:
            self._starts[index] = self._object(index * CHUNK_BYTES)
        return self._starts[index]

    def _object(self, offset: int) -> int:
        while offset < self._length:
            data = os.pread(self._descriptor, min(LOOK_BYTES, self._length - offset), offset)
            newline = data.find(OBJECT)
            if newline >= 0:
                return offset + newline + 1
            if len(data) < len(OBJECT):
                break
            # It may begin with the last byte.
            offset += len(data) - 1
        return self._length
