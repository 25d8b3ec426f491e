"""A disk that is slow: here somebody else holds the index, so that each commit waits for it."""

import asyncio
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from relay.config.model import ChannelOptions
from relay.entry import Position
from relay.hub import Hub
from relay.status import StoreState, StoreStatus
from relay.store import index
from relay.store.archive import Archive
from relay.store.recovery import open_store
from relay.store.retention import AgeClock
from relay.store.store import DurableStore
from tests.building import batch

TIMEOUT_SECONDS = 0.2


@dataclass
class Slow(StoreStatus):
    """A status by which the disk becomes slow when something is told."""

    at: StoreState | None = None
    other: sqlite3.Connection | None = None

    def enter(self, state: StoreState) -> None:
        """Change the state; at the one that was chosen the index is taken."""
        super().enter(state)
        if state is self.at and self.other is not None:
            self.at = None
            self.other.execute("BEGIN IMMEDIATE")


class World:
    """A hub and its store on a disk that is made slow."""

    def __init__(self, directory: Path) -> None:
        self.writer, self.stored = open_store(directory, "never")
        self.status = Slow()
        self.status.other = index.connect(self.writer.index_path)
        clock = AgeClock()
        self.store = DurableStore(
            self.writer, Archive(directory), TIMEOUT_SECONDS, clock.now_ns, self.status
        )
        bounds = ChannelOptions(lines=10)
        self.hub = Hub(lambda name: bounds, self.store)
        self.hub.restore(self.stored)
        self.store.connect(self.hub)

    async def publish(self, text: str) -> None:
        """Publish a line, with a position that says which it is."""
        await self.hub.publish([batch("web", [text], reader="r", position=Position(text))])

    def hold(self) -> None:
        """Let commits wait."""
        assert self.status.other is not None
        self.status.other.execute("BEGIN IMMEDIATE")

    def release(self) -> None:
        """Let commits go on."""
        assert self.status.other is not None
        self.status.other.execute("ROLLBACK")

    async def close(self) -> None:
        """End it."""
        await self.store.close()
        assert self.status.other is not None
        self.status.other.close()


async def recovered(world: World) -> None:
    """Wait until the store works again."""
    async with asyncio.timeout(20):
        while world.status.state is not StoreState.OK:
            await asyncio.sleep(TIMEOUT_SECONDS / 4)
            await world.store.check()


def last_position(directory: Path) -> str:
    """Return what the next life would start from."""
    writer, stored = open_store(directory, "never")
    writer.close()
    return stored.positions["app", "r"].value


async def test_lines_are_shown_after_the_timeout(tmp_path: Path) -> None:
    """Then the store is failing, in words, and works again when the disk does."""
    world = World(tmp_path)
    await world.publish("one")
    world.hold()
    async with asyncio.timeout(10):
        await world.publish("two")
    assert world.status.state is StoreState.FAILING
    assert world.status.reason == "slower than 0.2 s"
    # Others do not wait at all.
    began = asyncio.get_running_loop().time()
    await world.publish("three")
    assert asyncio.get_running_loop().time() - began < TIMEOUT_SECONDS
    assert world.hub.channels["web"].last_seq == 3
    world.release()
    await recovered(world)
    assert world.hub.channels["web"].stored_seq == 3
    await world.close()
    assert last_position(tmp_path) == "three"


async def test_what_is_on_its_way_is_stored_before_it_closes(tmp_path: Path) -> None:
    """Also what waits for it; what comes later leaves the directory alone."""
    world = World(tmp_path)
    await world.publish("one")
    world.hold()
    waiting = [asyncio.create_task(world.publish("two"))]
    while world.hub.channels["web"].numbered_seq < 2:
        await asyncio.sleep(0)
    waiting.append(asyncio.create_task(world.publish("three")))
    closing = asyncio.create_task(world.store.close())
    await asyncio.sleep(TIMEOUT_SECONDS / 4)
    assert not closing.done()
    world.release()
    await asyncio.gather(*waiting, closing)
    assert world.status.other is not None
    world.status.other.close()
    assert world.hub.channels["web"].stored_seq == 3
    await world.publish("four")
    assert world.hub.channels["web"].last_seq == 4
    assert sorted(os.listdir(tmp_path)) == ["channels", "index.db", "lock"]
    assert last_position(tmp_path) == "three"


async def test_what_is_shown_during_a_slow_catching_up_is_caught_up(tmp_path: Path) -> None:
    """Also if that ends well after the line did not wait for it."""
    world = World(tmp_path)
    await world.publish("one")
    world.store.fail("for a moment")
    await world.publish("two")
    world.status.at = StoreState.CATCHING_UP
    checking = asyncio.create_task(world.store.check())
    while world.status.at is not None:
        await asyncio.sleep(0.01)
    await world.publish("three")
    assert world.status.state is StoreState.FAILING
    world.release()
    await checking
    await recovered(world)
    assert world.hub.channels["web"].stored_seq == 3
    await world.publish("four")
    await world.close()
    assert last_position(tmp_path) == "four"
