"""
Where the last lines of a file begin.
"""

import os
from collections.abc import Iterator
from itertools import islice

__all__ = ["offset_of_last_lines"]

BLOCK_BYTES = 128 * 1024


def offset_of_last_lines(fd: int, size: int, lines: int, newline: bytes = b"\n") -> int:
    """
    Return where the last ``lines`` lines of a file's first ``size`` bytes begin.

    An unfinished last line counts. Reads backwards; for a thread, since lines may be long.

    Args:
        fd: the file.
        size: a multiple of the newline's length.
        lines: how many.
        newline: its bytes, which begin at multiples of their number.
    """
    if not lines:
        return size
    # The newline that ends the last line begins none.
    stop, wanted, unit = max(0, size - len(newline)), lines, len(newline)
    while stop > 0:
        start = max(0, stop - BLOCK_BYTES)
        block = os.pread(fd, stop - start, start)
        if unit == 1:
            found = block.count(newline)
        else:
            found = sum(1 for at in _ends(block, newline))
        if found >= wanted:
            ends = _ends(block, newline)
            return start + next(islice(ends, wanted - 1, None)) + unit
        wanted -= found
        stop = start
    return 0


def _ends(block: bytes, newline: bytes) -> Iterator[int]:
    """Yield where newlines stand, the last one first."""
    at = block.rfind(newline)
    while at >= 0:
        if at % len(newline) == 0:
            yield at
        at = block.rfind(newline, 0, at + len(newline) - 1)
