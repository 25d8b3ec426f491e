"""
The newest record keys of readers, in case the index that has them all is lost.
"""

import struct
from collections import deque

from relay.entry import RECORD_KEY_BYTES

__all__ = ["MAX_KEYS", "RecentKeys", "newest"]

MAX_KEYS = 65_536
"""Of one reader that are remembered."""

CHUNK_BYTES = 512 * RECORD_KEY_BYTES
"""What is let go of at once."""


class RecentKeys:
    """
    Record keys of one reader, oldest first; see :class:`relay.entry.Position`.

    Adding costs O(keys added); what is let go of is whole chunks.
    """

    __slots__ = ("_chunks", "_size_bytes")

    def __init__(self) -> None:
        self._chunks: deque[tuple[int, bytes]] = deque()
        """With the greatest time of each."""
        self._size_bytes = 0

    def add(self, keys: bytes, keys_from: int) -> None:
        """
        Add keys, and let go of old ones.

        Args:
            keys: of records that came after all before.
            keys_from: keys of an earlier time are not needed any more.
        """
        for start in range(0, len(keys), CHUNK_BYTES):
            self._append(keys[start : start + CHUNK_BYTES])
        chunks = self._chunks
        while chunks and (
            chunks[0][0] < keys_from or self._size_bytes > MAX_KEYS * RECORD_KEY_BYTES
        ):
            self._size_bytes -= len(chunks.popleft()[1])

    def _append(self, keys: bytes) -> None:
        latest, before = newest(keys), b""
        if self._chunks and len(self._chunks[-1][1]) + len(keys) <= CHUNK_BYTES:
            # Many small ones take more than their bytes.
            time, before = self._chunks.pop()
            latest = max(latest, time)
        self._chunks.append((latest, before + keys))
        self._size_bytes += len(keys)

    def joined(self) -> bytes:
        """Return all, oldest first."""
        return b"".join([keys for _, keys in self._chunks])


def newest(keys: bytes) -> int:
    """Return the greatest time of record keys, in their source's unit; 0 where there is none."""
    times: tuple[int, ...] = struct.unpack_from(f">{len(keys) // 8}Q", keys)[::2]
    return max(times, default=0)
