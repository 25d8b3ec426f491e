"""A store that commits when it is let, and holds nothing."""

import asyncio

from relay.storage import Extent, Group, StoredChannel, Stretch, Wanted

__all__ = ["SlowStore"]


class SlowStore:
    """What a hub waits for; ``let`` is set when it may go on."""

    def __init__(self) -> None:
        self.groups: list[Group] = []
        self.let = asyncio.Event()

    async def commit(self, group: Group) -> bool:
        """Keep the group, and wait to be let."""
        self.groups.append(group)
        await self.let.wait()
        return False

    async def read(self, wanted: Wanted) -> Stretch:
        """Give nothing."""
        return Stretch([], wanted.until)

    async def read_back(self, wanted: Wanted) -> Stretch:
        """Give nothing."""
        return Stretch([], 0)

    async def extent(self, channel: str) -> Extent:
        """Hold nothing."""
        return Extent()

    def forget(self, channel: StoredChannel) -> None:
        """Hold nothing."""

    def drop(self, channel: str) -> None:
        """Hold nothing."""

    def forget_run(self, run: str, channel: str) -> None:
        """Hold nothing."""
