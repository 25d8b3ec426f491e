"""What is done for a store besides its commits."""

import asyncio
import time
from pathlib import Path

from relay.config.model import ChannelOptions
from relay.hub import Hub
from relay.status import StoreStatus
from relay.store import index
from relay.store.archive import Archive
from relay.store.recovery import open_store
from relay.store.retention import AgeClock, Keeping
from relay.store.store import DurableStore
from relay.store.upkeep import AGE, Upkeep


async def test_a_short_life_leaves_its_age_to_the_next(tmp_path: Path) -> None:
    """Else a wall clock that is stepped between the two would make all of it old at once."""
    clock = AgeClock(wall=lambda: 10**18)
    writer, stored = open_store(tmp_path, "never")
    store = DurableStore(writer, Archive(tmp_path), 5.0, clock.now_ns, StoreStatus())
    hub = Hub(lambda name: ChannelOptions(), store)
    hub.restore(stored)
    store.connect(hub)
    keeping = Keeping(archive=True, age_ns=1, stored_bytes=0, lines=0, bytes=0)
    upkeep = Upkeep(store, writer, hub, lambda name: keeping, 1.0, 0, clock)
    running = asyncio.create_task(upkeep.run())
    deadline = time.monotonic() + 5
    while not (kept := _values(tmp_path).get(AGE)) and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.wait([running])
    await store.close()
    assert kept == 10**18


def _values(directory: Path) -> dict[str, int]:
    connection = index.connect(directory / "index.db", readonly=True)
    try:
        return index.values(connection)
    finally:
        connection.close()
