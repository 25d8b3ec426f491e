"""A store in memory: what it committed outlives the relay, and nothing else does."""

import asyncio

from relay.block import Block, DeclaredLoss
from relay.config.model import ChannelOptions
from relay.entry import Loss
from relay.hub import Hub
from relay.run import Counted, Ending, Run, Start
from relay.storage import Group, GroupItem, Positions, Stored, StoredChannel
from tests.slow_store import SlowStore

__all__ = ["Committed"]


class Committed(SlowStore):
    """What was committed, over several lives of a relay."""

    def __init__(self) -> None:
        super().__init__()
        self.let.set()
        self.positions: Positions = {}
        self.runs: dict[str, Run] = {}
        self.is_dead = False
        """Whether the relay was killed: whoever waits for a commit waits for ever."""

    def new_hub(self, max_channels: int | None = None) -> Hub:
        """Return the hub of a new life."""
        self.is_dead = False
        hub = Hub(lambda name: ChannelOptions(lines=100_000), self, max_channels=max_channels)
        items = [item for group in self.groups for item in group.items]
        channels = [StoredChannel(name, 0, 1, 0, 2, 1) for name in {one.channel for one in items}]
        hub.restore(Stored(channels=channels, runs=list(self.runs.values())))
        return hub

    async def commit(self, group: Group) -> bool:
        """Keep a group, or nothing of it."""
        # A kill may come while a commit is waited for.
        await asyncio.sleep(0)
        await self.let.wait()
        if self.is_dead:
            await asyncio.Event().wait()
        self.groups.append(group)
        self.positions |= group.positions
        self.positions = {of: kept for of, kept in self.positions.items() if kept.value}
        for item in group.items:
            self._note(item)
        return True

    def _note(self, item: GroupItem) -> None:
        if isinstance(item, Start):
            run = self.runs.setdefault(item.change.run, Run(item.change.run, item.source, 0))
            run.last_ids[item.channel] = 1
        elif isinstance(item, Counted):
            run = self.runs[item.change.run]
            run.offset, run.offset_bytes = item.change.offset, item.change.offset_bytes
        elif isinstance(item, Ending):
            self.runs.pop(item.run, None)

    async def kill(self, source: "asyncio.Task[None]") -> None:
        """Let the relay die, and with it the task of a source."""
        self.is_dead = True
        while not source.done():
            source.cancel()
            await asyncio.sleep(0)
        for _ in range(3):
            # What was handed over last comes to its commit, and no further.
            await asyncio.sleep(0)

    def held(self, channel: str) -> list[str | Loss]:
        """Return lines and losses of a channel, oldest first."""
        given: list[str | Loss] = []
        for item in [item for group in self.groups for item in group.items]:
            if isinstance(item, Block) and item.channel == channel:
                given += item.lines.strings()
            elif isinstance(item, DeclaredLoss) and item.channel == channel:
                given.append(item.loss)
        return given
