"""Faults of the disk that the relay's state is on: full, read-only, gone, hanging."""

import asyncio
import shutil
import time
from abc import abstractmethod
from collections.abc import Mapping
from functools import partial
from typing import ClassVar

import orjson

from tests.faults.disk import Disk
from tests.faults.fault import Fault
from tests.faults.http import get
from tests.faults.interruption import fall
from tests.faults.pulse import Window
from tests.faults.scene import RING_LINES, Scene

__all__ = [
    "FillDisk",
    "FreezeDisk",
    "LockDisk",
    "RemoveDirectory",
    "RemoveDisk",
    "StartFull",
    "StartProtected",
    "excused",
]

LINES = (50, 12_000)
"""Written while the disk is no use."""


class _Outage(Fault):
    """
    The disk is no use for a while.

    Live streams go on; when it works again the store catches up with what the rings hold, and
    only what has left them is missing from history.
    """

    weight = 1.0
    is_start: ClassVar[bool] = False
    """Whether a life begins with it, which cannot count what left the rings for a reader that
    comes from an earlier one, be it prompt."""

    async def strike(self, scene: Scene) -> None:
        scene.record.strike(self.kind)
        assert scene.disk is not None
        seen = {name: stream.seen for name, stream in scene.record.streams.items()}
        # Not pages: what comes from the disk waits for it.
        prompt = [one for one in scene.streaming_readers() if one.judge.is_past(seen)]
        others = scene.every_reader if self.is_start else scene.readers
        judged = [one for one in others if one not in prompt or self.is_start]
        expected = {one: one.judge.expected() for one in judged}
        began_ns = time.monotonic_ns()
        await self.begin(scene, scene.disk)
        try:
            await scene.ask(partial(_says, scene, "failing"), "the store does not say it fails")
            failing_ns = time.monotonic_ns()
            counts = scene.record.counts()
            await scene.flow(scene.rng.randrange(*LINES))
            await scene.wait_for(prompt, counts, f"nothing arrives: {self.kind}")
        finally:
            ended_ns = time.monotonic_ns()
            await asyncio.to_thread(self.give, scene.disk, scene)
        await scene.ask(partial(_says, scene, "ok"), "the store does not recover")
        if not self.is_start:
            # Lines wait for the disk alone.
            scene.pulse.windows.append(Window(self.kind, began_ns, failing_ns, ended_ns))
        counts = scene.record.counts()
        for one, starts in expected.items():
            one.judge.excuse(excused(starts, seen, counts, is_prompt=one in prompt), counts)
        for name, stream in scene.record.streams.items():
            if stream.count() - seen[name] > RING_LINES:
                for reason in ("storage", "evicted"):
                    stream.allow(reason, seen[name], stream.count(), is_counted=True)

    async def begin(self, scene: Scene, disk: Disk) -> None:
        """Let the disk be no use to the relay."""
        await asyncio.to_thread(self.take, disk, scene)

    @abstractmethod
    def take(self, disk: Disk, scene: Scene) -> None:
        """Make the disk useless."""

    @abstractmethod
    def give(self, disk: Disk, scene: Scene) -> None:
        """Make it work again."""


def excused(
    starts: Mapping[str, int],
    seen: Mapping[str, int],
    counts: Mapping[str, int],
    *,
    is_prompt: bool,
) -> dict[str, int]:
    """
    Return from which line on a reader may have found what it asked for unreadable, by stream.

    A prompt one asks for what is in the rings; only what has left them since is anything else.

    Args:
        starts: which line it expected when the disk began to be no use.
        seen: up to which line somebody had been given all then.
        counts: how many lines were written up to the end.
        is_prompt: whether it had been given these too, and went on reading.
    """
    return {
        name: start
        for name, start in starts.items()
        if not is_prompt or counts[name] - seen[name] > RING_LINES
    }


async def _says(scene: Scene, state: str) -> bool:
    """Tell whether status says so of the store, with a reason if it fails."""
    answer = await get(scene.relay.port, "/api/v1/status")
    store = orjson.loads(answer.body)["store"]
    return bool(store["state"] == state and (state == "ok") == (store["reason"] is None))


class FillDisk(_Outage):
    """It is full, and then has room again."""

    kind = "disk full"

    def take(self, disk: Disk, scene: Scene) -> None:
        disk.fill()

    def give(self, disk: Disk, scene: Scene) -> None:
        disk.free()


class LockDisk(_Outage):
    """Nothing that is on it can be changed."""

    kind = "disk read-only"

    def take(self, disk: Disk, scene: Scene) -> None:
        # Not what lies in shared memory: to write there would kill, on a real one too.
        disk.lock([scene.state / name for name in ("channels", "index.db", "index.db-wal")])

    def give(self, disk: Disk, scene: Scene) -> None:
        disk.unlock()


class RemoveDisk(_Outage):
    """It is gone, an empty folder in its place; then it comes back with all that was on it."""

    kind = "disk removed"

    def take(self, disk: Disk, scene: Scene) -> None:
        disk.remove()

    def give(self, disk: Disk, scene: Scene) -> None:
        disk.mount()


class FreezeDisk(_Outage):
    """It hangs: whoever writes to it waits."""

    kind = "disk hangs"

    def take(self, disk: Disk, scene: Scene) -> None:
        disk.freeze()

    def give(self, disk: Disk, scene: Scene) -> None:
        disk.thaw()


class _Start(_Outage):
    """The relay is killed, and the disk is no use when it starts; it streams all the same."""

    weight = 0.7
    is_start = True

    async def begin(self, scene: Scene, disk: Disk) -> None:
        await fall(scene)
        await super().begin(scene, disk)
        await scene.start()


class StartFull(_Start, FillDisk):
    """Full: what the kill left in segments is cut off, and nothing else can be written."""

    kind = "start with a full disk"


class StartProtected(_Start):
    """Mounted read-only: not even that can be cut off."""

    kind = "start read-only"

    def take(self, disk: Disk, scene: Scene) -> None:
        disk.protect()

    def give(self, disk: Disk, scene: Scene) -> None:
        disk.unprotect()


class RemoveDirectory(Fault):
    """
    The state directory is removed with all that is in it.

    The relay makes it anew with what it knows; what no ring holds any more is missing from
    history, and can be counted.
    """

    kind = "directory removed"
    weight = 0.3

    async def strike(self, scene: Scene) -> None:
        scene.record.strike(self.kind)
        gone = scene.state.with_name(f"gone-{time.monotonic_ns()}")
        scene.state.rename(gone)
        await asyncio.to_thread(shutil.rmtree, gone)
        await scene.wait((scene.state / "index.db").exists, "the store is not made anew")
        await scene.ask(partial(_says, scene, "ok"), "the store does not recover")
        for stream in scene.record.streams.values():
            stream.damage(self.kind, 0, stream.count())
