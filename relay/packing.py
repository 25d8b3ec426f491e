"""
Packing: small neighbouring blocks become one.

Rule of this file: nothing is lost by it. A packed block has every id, seq, origin, timestamp
and level that its blocks had; only their overhead goes.
"""

from collections.abc import Sequence

from relay.block import MAX_ORIGINS, Block, Column, DeclaredLoss
from relay.entry import Origin
from relay.lines import Lines, join

__all__ = ["Item", "absorb", "pack", "pack_neighbours"]

Item = Block | DeclaredLoss
"""What stands in a ring, in the order of ids."""

MAX_PACKED_BYTES = 64 * 1024
"""Text of a packed block: reading one entry of it costs as much as its search."""


def pack_neighbours(items: Sequence[Item], max_lines: int) -> list[Item]:
    """
    Pack runs of neighbouring blocks; what does not fit stays as it is.

    Args:
        items: neighbours of one channel, oldest first.
        max_lines: of a packed block.

    Returns:
        The same entries in fewer items, in order.
    """
    packed: list[Item] = []
    group = _Group(max_lines)
    for item in items:
        if isinstance(item, Block) and group.take(item):
            continue
        packed.extend(group.close())
        if not isinstance(item, Block) or not group.take(item):
            packed.append(item)
    packed.extend(group.close())
    return packed


def absorb(older: Item, newer: Item, max_lines: int) -> Block | None:
    """Return one block of both where they fit and the older is not the larger, else ``None``."""
    if not isinstance(older, Block) or not isinstance(newer, Block) or older.count > newer.count:
        return None
    group = _Group(max_lines)
    return pack([older, newer]) if group.take(older) and group.take(newer) else None


class _Group:
    """Blocks that fit into one."""

    def __init__(self, max_lines: int) -> None:
        self.max_lines = max_lines
        self._empty()

    def _empty(self) -> None:
        self.blocks: list[Block] = []
        self.lines = 0
        self.bytes = 0
        self.origins: set[Origin] = set()

    def take(self, block: Block) -> bool:
        """Add a block if it fits."""
        lines = self.lines + block.count
        text_bytes = self.bytes + len(block.lines.text)
        if lines > self.max_lines or text_bytes > MAX_PACKED_BYTES:
            return False
        origins = self.origins.union(block.origins)
        if len(origins) > MAX_ORIGINS:
            return False
        self.blocks.append(block)
        self.lines, self.bytes, self.origins = lines, text_bytes, origins
        return True

    def close(self) -> list[Item]:
        """Return what was taken as one block, or as it is where it was one, and begin anew."""
        blocks = self.blocks
        self._empty()
        return [pack(blocks)] if len(blocks) > 1 else list(blocks)


def pack(blocks: Sequence[Block]) -> Block:
    """
    Make one block of neighbours, with an id, an origin and a timestamp per entry.

    Cost O(bytes). The caller sees to it that they are neighbours of one channel with
    consecutive seqs and at most 256 origins together.

    Args:
        blocks: at least two, oldest first.
    """
    table: dict[Origin, int] = {}
    index = b"".join([_origin_index(block, table) for block in blocks])
    parts: list[int] = []
    ids: list[int] = []
    timestamps: list[int] = []
    for block in blocks:
        parts.extend([len(ids) + part for part in block.parts])
        ids.extend(block.id_range(0, block.count))
        timestamps.extend(block.timestamp_range(0, block.count))
    first, last = blocks[0], blocks[-1]
    consecutive = last.last_id - first.first_id + 1 == len(ids)
    return Block(
        channel=first.channel,
        first_id=first.first_id,
        first_seq=first.first_seq,
        lines=join([block.lines for block in blocks]),
        levels=b"".join([block.levels for block in blocks]),
        origins=tuple(table),
        origin_index=index if len(table) > 1 else None,
        arrival_ns=first.arrival_ns,
        timestamps=Column(timestamps),
        ids=None if consecutive else Column(ids),
        parts=frozenset(parts),
        fields=_fields(blocks),
    )


def _fields(blocks: Sequence[Block]) -> Lines | None:
    if not any(block.fields for block in blocks):
        return None
    return join([block.fields or Lines(b"\n" * block.count, block.count) for block in blocks])


def _origin_index(block: Block, table: dict[Origin, int]) -> bytes:
    """Return the block's origins as indexes into ``table``, which grows by what is new."""
    places = bytes([table.setdefault(origin, len(table)) for origin in block.origins])
    if block.origin_index is None:
        return places[:1] * block.count
    return block.origin_index.translate(places.ljust(MAX_ORIGINS, b"\0"))
