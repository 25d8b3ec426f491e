"""
Blocks of channels, newest first: what the rings hold, and behind it what the store does.

Rule of this file: what is in a ring is taken at once, since it may leave while the reader goes
on; the store is asked only when the reader has come so far.
"""

import heapq
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field

from relay.block import Block
from relay.channel import Channel
from relay.hub import Hub
from relay.query import Query
from relay.storage import Wanted

__all__ = ["newest_first"]


async def newest_first(
    hub: Hub,
    channels: Iterable[Channel],
    end: int,
    query: Query,
    unread: list[Channel] | None = None,
) -> AsyncIterator[Block]:
    """
    Give the blocks of several channels by their last id, descending.

    Args:
        hub: whose channels.
        channels: which of them.
        end: only blocks with an entry at or below this id.
        query: entries outside its times may be left out.
        unread: is given the channels that cannot be read to their end.
    """
    heap = [_Backward(channel, end) for channel in channels]
    heapq.heapify(heap)
    while heap:
        reader = heap[0]
        block = reader.take()
        if block is not None:
            yield block
        elif not await reader.load(hub, query):
            heapq.heappop(heap)
            if reader.is_unread and unread is not None:
                unread.append(reader.channel)
            continue
        heapq.heapreplace(heap, reader)


@dataclass(slots=True)
class _Backward:
    """
    One channel, read backwards.

    Args:
        channel: which.
        end: where it starts.
    """

    channel: Channel
    end: int
    blocks: list[Block] = field(default_factory=list)
    """What was taken and is not given yet, oldest first."""
    before: int = 0
    """Where the store goes on; 0: there is no more."""
    is_unread: bool = False
    """Whether there is more, and cannot be read."""

    def __post_init__(self) -> None:
        self.blocks = list(self.channel.blocks_before(self.end + 1))[::-1]
        stored_until = self.channel.stored_until(0)
        if stored_until:
            self.before = min(stored_until, self.end) + 1

    @property
    def last_id(self) -> int:
        """No block that is still to be given has a greater last id, but for where it starts."""
        return self.blocks[-1].last_id if self.blocks else self.before

    def __lt__(self, other: "_Backward") -> bool:
        return self.last_id > other.last_id

    def take(self) -> Block | None:
        """Return the newest block; ``None`` where the store must be asked first."""
        return self.blocks.pop() if self.blocks else None

    async def load(self, hub: Hub, query: Query) -> bool:
        """Read from the store; tell whether there may be more."""
        if self.before <= max(1, self.channel.lost_until + 1) or hub.store is None:
            return False
        stretch = await hub.store.read_back(
            Wanted(self.channel.name, 0, self.before - 1, query.since_ns, query.until_ns)
        )
        if stretch.reach >= self.before:
            self.is_unread = True
            return False
        self.blocks = [item for item in stretch.items if isinstance(item, Block)][::-1]
        self.before = stretch.reach
        return True
