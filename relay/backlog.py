"""
What was said and is not confirmed: lines that are kept until a relay has them.

Rule of this file: what no longer fits is dropped, oldest first, and counted.
"""

from collections import deque

__all__ = ["BACKLOG_BYTES", "PUSH_BYTES", "Backlog"]

BACKLOG_BYTES = 64 * 1024 * 1024
"""What is kept while the relay is away."""

PUSH_BYTES = 512 * 1024
"""How much is sent at once."""


class Backlog:
    """
    Lines that the relay has not confirmed, oldest first.

    Args:
        most_bytes: what is over it is dropped, oldest first.
    """

    def __init__(self, most_bytes: int = BACKLOG_BYTES) -> None:
        self._most_bytes = most_bytes
        self._pieces: deque[tuple[bytes, int]] = deque()
        self.bytes = 0
        self.first = 0
        """How many lines of the run come before the first that is held."""
        self.end = 0
        """How many lines the run has had."""
        self.dropped = 0

    def add(self, data: bytes, count: int) -> None:
        """Add lines as NDJSON."""
        self._pieces.append((data, count))
        self.bytes += len(data)
        self.end += count
        while self.bytes > self._most_bytes:
            self.dropped += self._drop()

    def _drop(self) -> int:
        data, count = self._pieces.popleft()
        self.bytes -= len(data)
        self.first += count
        return count

    def head(self, most_bytes: int = PUSH_BYTES) -> tuple[bytes, int]:
        """Return the first lines, at least one where there is any, and their count."""
        if self._pieces and len(self._pieces[0][0]) > most_bytes:
            data = self._pieces[0][0]
            cut = (data.rfind(b"\n", 0, most_bytes) + 1) or (data.find(b"\n") + 1)
            return data[:cut], data.count(b"\n", 0, cut)
        taken: list[bytes] = []
        size = lines = 0
        for data, count in self._pieces:
            if size + len(data) > most_bytes:
                break
            taken.append(data)
            size += len(data)
            lines += count
        return b"".join(taken), lines

    def confirm(self, offset: int) -> bool:
        """Let go of the lines before ``offset``; return whether there were any."""
        before = self.first
        while self._pieces and self.first + self._pieces[0][1] <= offset:
            self._drop()
        if self._pieces and self.first < offset:
            data, count = self._pieces.popleft()
            rest = data.split(b"\n", offset - self.first)[-1]
            self._pieces.appendleft((rest, count - (offset - self.first)))
            self.bytes -= len(data) - len(rest)
            self.first = offset
        return self.first > before
