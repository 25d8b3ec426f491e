"""Faults of the disk that the relay's state is on: full, gone, hanging."""

from abc import abstractmethod
from functools import partial

import orjson

from tests.faults.disk import Disk
from tests.faults.fault import Fault
from tests.faults.http import get
from tests.faults.scene import RING_LINES, Scene

__all__ = ["FillDisk", "FreezeDisk", "RemoveDisk"]

LINES = (50, 6000)
"""Written while the disk is no use."""


class _Outage(Fault):
    """
    The disk is no use for a while.

    Live streams go on; when it works again the store catches up with what the rings hold, and
    only what has left them is missing from history.
    """

    weight = 1

    async def strike(self, scene: Scene) -> None:
        scene.record.strike(self.kind)
        assert scene.disk is not None
        seen = {name: stream.seen for name, stream in scene.record.streams.items()}
        counts = scene.record.counts()
        prompt = scene.prompt_readers()
        self.take(scene.disk)
        try:
            await scene.flow(scene.rng.randrange(*LINES))
            await scene.wait(
                lambda: all(one.judge.is_past(counts) or not one.is_prompt for one in prompt),
                "nothing arrives without the disk",
            )
        finally:
            self.give(scene.disk)
        await scene.ask(partial(_is_store_well, scene), "the store does not recover")
        for name, stream in scene.record.streams.items():
            if stream.count() - seen[name] > RING_LINES:
                for reason in ("storage", "evicted"):
                    stream.allow(reason, seen[name], stream.count(), is_counted=True)

    @abstractmethod
    def take(self, disk: Disk) -> None:
        """Make the disk useless."""

    @abstractmethod
    def give(self, disk: Disk) -> None:
        """Make it work again."""


async def _is_store_well(scene: Scene) -> bool:
    answer = await get(scene.relay.port, "/api/v1/status")
    return bool(orjson.loads(answer.body)["store"]["state"] == "ok")


class FillDisk(_Outage):
    """It is full, and then has room again."""

    kind = "disk full"

    def take(self, disk: Disk) -> None:
        disk.fill()

    def give(self, disk: Disk) -> None:
        disk.free()


class RemoveDisk(_Outage):
    """It is gone, an empty folder in its place; then it comes back with all that was on it."""

    kind = "disk removed"

    def take(self, disk: Disk) -> None:
        disk.remove()

    def give(self, disk: Disk) -> None:
        disk.mount()


class FreezeDisk(_Outage):
    """It hangs: whoever writes to it waits."""

    kind = "disk hangs"

    def take(self, disk: Disk) -> None:
        disk.freeze()

    def give(self, disk: Disk) -> None:
        disk.thaw()
