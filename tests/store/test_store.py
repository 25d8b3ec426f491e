"""
Hub, readers and store together, against the publisher's own record: whatever fails and whoever
comes back, each entry is given once and in order, or lies in a gap.
"""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.config.model import ChannelOptions
from relay.entry import Batch, Loss, Reason, RunEnded
from relay.hub import Hub
from relay.query import Query
from relay.status import StoreState, StoreStatus
from relay.store import plan
from relay.store.archive import Archive
from relay.store.recovery import open_store
from relay.store.retention import AgeClock, Keeping
from relay.store.store import DurableStore
from relay.store.upkeep import Upkeep
from relay.store.writer import Writer
from tests.building import batch
from tests.test_subscription import CHANNELS, Reader, World

LINES = 12
"""Of a ring, and of what is kept on disk where nothing is archived."""


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A small file system of its own, which can be filled."""
    path = tmp_path_factory.mktemp("disk")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", path], check=True)
    yield path
    subprocess.run(["umount", "-l", path], check=True)


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many segments of few lines."""
    monkeypatch.setattr(plan, "SEGMENT_BYTES", 2500)


@dataclass
class StoredWorld(World):
    """A hub with a store on a disk that can be full, and may be started again."""

    disk: Path = Path()
    directory: Path = Path()
    archive: bool = True
    store: DurableStore = field(init=False)
    writer: Writer = field(init=False)
    upkeep: Upkeep = field(init=False)

    @classmethod
    async def begin(cls, disk: Path, *, archive: bool) -> "StoredWorld":
        bounds = ChannelOptions(lines=LINES)
        world = cls(Hub(lambda name: bounds), disk=disk, archive=archive)
        world.directory = Path(mkdtemp(dir=disk))
        world.start()
        await world.hub.publish([Batch("app", name) for name in CHANNELS])
        return world

    def start(self) -> None:
        clock = AgeClock()
        self.writer, stored = open_store(self.directory, "never")
        status = StoreStatus()
        self.store = DurableStore(
            self.writer,
            Archive(self.directory),
            5.0,
            clock.now_ns,
            status,
            lambda name: self.archive,
        )
        bounds = ChannelOptions(lines=LINES)
        self.hub = Hub(lambda name: bounds, self.store)
        self.hub.restore(stored)
        self.store.connect(self.hub)
        keeping = Keeping(self.archive, 10**18, 1 << 40, LINES, 1 << 30)
        self.upkeep = Upkeep(
            self.store, self.writer, self.hub, lambda name: keeping, 1.0, 0, clock
        )

    async def stop(self) -> None:
        self.heal()
        await self.store.close()
        shutil.rmtree(self.directory)

    async def restart(self) -> None:
        """Start again; what was shown while the disk was full is caught up first."""
        self.heal()
        await self.store.check()
        await self.store.close()
        self.start()

    async def do(self, what: str, who: Any, number: Any) -> None:
        """Do one step of a story."""
        if what == "alternate":
            for turn in range(number):
                await self.publish_stored(CHANNELS[turn % who], 1)
        elif what == "fill":
            self.fill()
        elif what == "heal":
            self.heal()
            await self.store.check()
        elif what == "prune":
            await self.prune()
        elif what == "restart":
            await self.restart()
        elif what == "end":
            await self.end_stored(who, f"run-{number}")
        else:
            await {"publish": self.publish_stored, "lose": self.lose_stored}[what](who, number)

    async def publish_stored(self, channel: str, count: int) -> None:
        # An object's text: its entries differ, so that one in the place of another is seen.
        await self.hub.publish(
            [batch(channel, [f"{n} of {count} " + "x" * 40 for n in range(count)])]
        )
        last_seq = self.hub.channels[channel].last_seq
        first = self.hub.last_id - count + 1
        self.entries += [
            (first + place, channel, last_seq - count + 1 + place) for place in range(count)
        ]

    async def lose_stored(self, channel: str, count: int | None) -> None:
        loss = Loss(Reason.SOURCE, count, count or 0)
        await self.hub.publish([Batch("app", channel, loss=loss)])
        self.losses.append((self.hub.last_id, channel, count, count or 0))

    async def end_stored(self, channel: str, run: str) -> None:
        ended = RunEnded(run, 0, "succeeded", 0)
        await self.hub.publish([Batch("app", channel, runs=(ended,))])
        self.endings.append((self.hub.last_id, run))

    def fill(self) -> None:
        """Leave no room."""
        with open(self.disk / "ballast", "ab") as ballast:
            step = 1 << 20
            while step:
                try:
                    os.write(ballast.fileno(), bytes(step))
                except OSError:
                    step //= 2

    def heal(self) -> None:
        (self.disk / "ballast").unlink(missing_ok=True)

    async def prune(self) -> None:
        for row in await self.store.submit(self.writer.take_sealed):
            self.upkeep._retention.touch(row.channel)
        while not self.store.is_failing and await self.upkeep._prune_some():
            pass


@dataclass
class StoredReader(Reader):
    """A reader that waits for the disk."""

    async def read_stored(self, max_bytes: int, kept: int | None = None) -> bool:
        if self.subscription is None:
            self.connect()
        assert self.subscription is not None
        before = self.subscription.cursor
        deliveries = await self.subscription.read(max_bytes)
        for delivery in deliveries[:kept]:
            self.take(delivery)
        if kept is not None:
            self.drop()
            return True
        if not deliveries:
            self.cursor = max(self.cursor, self.subscription.cursor)
        return bool(deliveries) or self.subscription.cursor > before

    async def read_all(self) -> None:
        while await self.read_stored(2000):
            pass


names = st.sampled_from(CHANNELS)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), names, st.integers(1, 9)),
        st.tuples(st.just("publish"), names, st.integers(1, 20)),
        st.tuples(st.just("alternate"), st.integers(1, 3), st.integers(1, 40)),
        st.tuples(st.just("lose"), names, st.one_of(st.none(), st.integers(1, 3))),
        st.tuples(st.just("end"), names, st.integers(1, 99)),
        st.tuples(st.just("read"), st.integers(0, 2), st.integers(1, 900)),
        st.tuples(st.just("read"), st.integers(0, 2), st.integers(1, 900)),
        st.tuples(st.just("drop"), st.integers(0, 2), st.integers(0, 3)),
        st.tuples(st.just("fill"), st.none(), st.none()),
        st.tuples(st.just("heal"), st.none(), st.none()),
        st.tuples(st.just("restart"), st.none(), st.none()),
        st.tuples(st.just("prune"), st.none(), st.none()),
    ),
    max_size=60,
)


async def play(world: StoredWorld, readers: list[StoredReader], story: list[Any]) -> None:
    for reader in readers:
        reader.connect()
    for what, who, number in story:
        if what == "read":
            await readers[who].read_stored(number)
        elif what == "drop":
            await readers[who].read_stored(300, number)
        else:
            if what == "restart":
                for reader in readers:
                    reader.drop()
            await world.do(what, who, number)
    await world.do("heal", None, None)
    assert world.store.status.state is StoreState.OK
    for reader in readers:
        await reader.read_all()


async def tell(disk: Path, story: list[Any], *, archive: bool) -> None:
    world = await StoredWorld.begin(disk, archive=archive)
    try:
        start = world.hub.last_id
        queries = [Query(), Query(channels=("a",)), Query(channels=("?", "b*"))]
        readers = [StoredReader(world, query, start) for query in queries]
        async with asyncio.timeout(60):
            await play(world, readers, story)
        forgets = any(what in ("restart", "prune") for what, _, _ in story)
        for reader in readers:
            reader.check(counted=not forgets)
        late = StoredReader(world, Query(), start)
        await late.read_all()
        late.check(counted=False)
    finally:
        await world.stop()


@settings(
    max_examples=int(os.environ.get("STORE_EXAMPLES", "60")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.booleans(), steps)
def test_everything_is_given_once_or_lies_in_a_gap(
    disk: Path, archive: bool, story: list[Any]
) -> None:
    """Any interleaving of publishing, reading, a full disk, pruning and restarts."""
    asyncio.run(tell(disk, story, archive=archive))
