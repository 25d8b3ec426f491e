"""
Which entries of a block a condition holds for.

A selection is :data:`ALL`, :data:`NONE` or a mask: one byte for each entry, 1 or 0, neither all
of one kind. Selections are values; combining two costs about 2 ns an entry, since masks are
combined as big integers.
"""

from enum import Enum
from typing import Final

__all__ = ["ALL", "NONE", "Selection", "Whole", "both", "count", "indexes", "of", "without"]


class Whole(Enum):
    """Every entry, or no entry, of a block."""

    ALL = "all"
    NONE = "none"


ALL: Final = Whole.ALL
NONE: Final = Whole.NONE

Selection = Whole | bytes
"""See the head of this module."""


def of(mask: bytes) -> Selection:
    """
    Make a selection of a mask.

    Args:
        mask: 1 or 0 for each entry; may be all of one kind.
    """
    if 1 not in mask:
        return NONE
    return mask if 0 in mask else ALL


def both(first: Selection, second: Selection) -> Selection:
    """Return the entries that are in both selections of one block."""
    if first is ALL or second is NONE:
        return second
    if first is NONE or second is ALL:
        return first
    assert isinstance(first, bytes)
    assert isinstance(second, bytes)
    size = len(first)
    shared = int.from_bytes(first, "little") & int.from_bytes(second, "little")
    return of(shared.to_bytes(size, "little"))


def without(first: Selection, second: Selection) -> Selection:
    """Return the entries of ``first`` that are not in ``second``."""
    if second is ALL:
        return NONE
    if second is NONE:
        return first
    return both(first, second.translate(_SWAP))


def count(selection: Selection, start: int, stop: int) -> int:
    """Return how many entries from ``start`` up to, not with, ``stop`` are selected."""
    if isinstance(selection, bytes):
        return selection.count(1, start, stop)
    return stop - start if selection is ALL else 0


def indexes(selection: Selection, start: int, stop: int) -> list[int]:
    """Return the selected indexes from ``start`` up to, not with, ``stop``."""
    if isinstance(selection, bytes):
        return [index for index in range(start, stop) if selection[index]]
    return list(range(start, stop)) if selection is ALL else []


_SWAP = bytes([1, 0]) + bytes(254)
