"""A state directory that goes away under a store, and comes back."""

import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from relay.config.model import ChannelOptions
from relay.entry import Gap, Reason
from relay.hub import Hub
from relay.query import Query
from relay.span import Span
from relay.status import StoreStatus
from relay.store.archive import Archive
from relay.store.recovery import open_store
from relay.store.store import DurableStore
from tests.building import batch


@dataclass
class Kept:
    """A hub of which a ring holds two lines, and its store."""

    hub: Hub
    store: DurableStore
    directory: Path

    @classmethod
    def open(cls, directory: Path) -> "Kept":
        writer, stored = open_store(directory, "never")
        store = DurableStore(writer, Archive(directory), 5.0, time.time_ns, StoreStatus())
        hub = Hub(lambda name: ChannelOptions(lines=2), store)
        hub.restore(stored)
        store.connect(hub)
        return cls(hub, store, directory)

    async def publish(self, text: str) -> None:
        for line in text.split():
            await self.hub.publish([batch("web", line)])

    async def told(self) -> list[str | Gap]:
        """Return what a reader from the beginning on is given."""
        given: list[str | Gap] = []
        with self.hub.subscribe(Query(), 0) as subscription:
            while subscription.has_news:
                for one in await subscription.read():
                    if isinstance(one, Span):
                        lines = one.block.lines.split()[one.start : one.stop]
                        given += [line.decode() for line in lines]
                    elif isinstance(one, Gap):
                        given.append(one)
        return given


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Kept]:
    """One with lines in its store that no ring holds."""
    kept = Kept.open(tmp_path / "state")
    await kept.publish("a b c d e")
    assert await kept.told() == ["a", "b", "c", "d", "e"]
    yield kept
    await kept.store.close()


async def test_a_directory_that_was_away_is_read_and_written_again(
    kept: Kept, tmp_path: Path
) -> None:
    """What was published meanwhile is caught up from the ring, with a hole for what left it."""
    kept.directory.rename(tmp_path / "away")
    await kept.store.check()
    assert kept.store.is_failing
    await kept.publish("f g")
    (tmp_path / "away").rename(kept.directory)
    await kept.store.check()
    assert not kept.store.is_failing
    await kept.publish("h i j")
    assert await kept.told() == list("abcdefghij")


async def test_a_directory_that_was_removed_is_made_again_and_read(kept: Kept) -> None:
    """Its history is a gap; what comes after is read from the new one."""
    shutil.rmtree(kept.directory)
    await kept.store.check()
    assert kept.store.status.reason == (
        f"state.directory {kept.directory} is gone: no such file or directory"
    )
    await kept.publish("f g")
    await kept.store.check()
    assert not kept.store.is_failing
    await kept.publish("h i j")
    gap, *lines = await kept.told()
    assert lines == list("fghij")
    assert isinstance(gap, Gap)
    assert (gap.after, gap.count, gap.reason) == (0, 5, Reason.STORAGE)
