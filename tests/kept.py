"""A hub that rests on a state directory."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from relay.config.model import ChannelOptions, Config, StateOptions
from relay.durable import Durable
from relay.entry import Batch, Position
from relay.hub import Hub
from relay.query import Query
from relay.span import Span
from relay.status import StoreStatus
from relay.store.store import DurableStore
from relay.subscription import Delivery
from tests.building import batch

__all__ = ["Kept"]


@dataclass
class Kept:
    """One life of a relay's hub; its rings hold two lines."""

    directory: Path
    durable: Durable
    hub: Hub
    is_closed: bool = False

    @property
    def store(self) -> DurableStore:
        """What makes groups durable."""
        return self.durable.store

    @property
    def status(self) -> StoreStatus:
        """What the store tells about itself."""
        return self.durable.status

    @classmethod
    def begin(cls, directory: Path, *, archive: bool = True, min_free: str = "0B") -> "Kept":
        """Open a state directory."""
        state = StateOptions.model_validate({"directory": str(directory), "min_free": min_free})
        config = Config(state=state, channel=ChannelOptions(lines=2, archive=archive))
        durable = Durable(config)
        hub = Hub(config.channel_options, durable.store)
        durable.connect(hub)
        return cls(directory, durable, hub)

    async def publish(self, text: str, channel: str = "web", position: str = "") -> None:
        """Publish words, each by itself, where a reader stands with the last."""
        for line in text.split():
            await self.hub.publish([batch(channel, line)])
        if position:
            at = Position(position)
            await self.hub.publish([Batch("app", channel, reader="f", position=at)])

    async def told(self) -> list[str | Delivery]:
        """Return what a reader from the beginning on is given: lines, gaps and endings."""
        given: list[str | Delivery] = []
        with self.hub.subscribe(Query(), 0) as subscription:
            while subscription.has_news:
                for one in await subscription.read():
                    if isinstance(one, Span):
                        lines = one.block.lines.split()[one.start : one.stop]
                        given += [line.decode() for line in lines]
                    else:
                        given.append(one)
        return given

    async def lines(self) -> list[str]:
        """Return the lines that a reader from the beginning on is given."""
        return [one for one in await self.told() if isinstance(one, str)]

    def after_a_kill(self) -> "Kept":
        """Begin the next life with what is on the disk at this moment."""
        left = self.directory.with_name("killed")
        shutil.copytree(self.directory, left)
        return Kept.begin(left)

    async def close(self) -> None:
        """End well, once."""
        if not self.is_closed:
            self.is_closed = True
            await self.store.close()
