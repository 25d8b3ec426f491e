"""Faults of the relay itself: stopped, killed, its clock stepped."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import ClassVar

from tests.faults.fault import Fault
from tests.faults.rotation import (
    CopyTruncate,
    Delete,
    FileFault,
    LogRotate,
    LogRotateCopy,
    Rename,
    Truncate,
)
from tests.faults.scene import Scene
from tests.faults.steps import STEPS, WRITTEN
from tests.faults.stored import uncut

__all__ = ["DeleteIndex", "Kill", "KillAtStep", "KillInStart", "StepClock", "Stop", "fall"]

CALM_SHARE = 0.25
"""So often everything has arrived before the relay goes down; else it lives for a moment only."""

DOWN_LINES = 300
"""That are written while the relay is down, at most."""

MAX_START_SECONDS = 0.8
"""After which a relay that starts is killed at the latest: it takes about so long."""


async def kill(scene: Scene) -> None:
    """Kill the relay whatever it does."""
    await scene.relay.kill()
    scene.note_kill()


async def fall(scene: Scene, end: Callable[[Scene], Awaitable[None]] = kill) -> None:
    """Let the relay end; what its program had in the pipe then is gone."""
    seen = scene.process.stream.seen
    await end(scene)
    scene.allow_gone()
    await scene.wait(scene.process.is_over, "the relay's program lives on")
    scene.process.stream.allow("source", seen, scene.process.stream.count())


class Stop(Fault):
    """The relay is stopped for a while, and perhaps a file is rotated meanwhile."""

    kind = "stop"
    meanwhile: ClassVar[tuple[FileFault | None, ...]] = (
        None,
        None,
        Rename(),
        CopyTruncate(),
        LogRotate(),
        LogRotateCopy(),
    )

    async def strike(self, scene: Scene) -> None:
        scene.record.strike(self.kind)
        scene.relay.signal(signal.SIGSTOP)
        try:
            await scene.flow(scene.rng.randrange(10, 400))
            if (fault := scene.rng.choice(self.meanwhile)) is not None:
                await fault.strike_file(scene, scene.pick_writer())
                await scene.flow(scene.rng.randrange(400))
        finally:
            scene.relay.signal(signal.SIGCONT)


class _Down(Fault):
    """One after which the relay is down, until it is started again."""

    meanwhile: ClassVar[tuple[FileFault, ...]] = (
        Rename(),
        Delete(),
        CopyTruncate(),
        Truncate(),
        LogRotate(),
        LogRotateCopy(),
    )

    async def strike(self, scene: Scene) -> None:
        if scene.rng.random() < CALM_SHARE:
            await scene.catch_up()
        scene.record.strike(self.kind)
        await self.fall(scene)
        for _ in range(scene.rng.choice((0, 0, 1, 1, 2, 3))):
            fault, writer = scene.rng.choice(self.meanwhile), scene.pick_writer()
            scene.tell(f"meanwhile {fault.kind} of {writer.stream.name}")
            await fault.strike_file(scene, writer)
            await scene.flow(scene.rng.randrange(DOWN_LINES))
        await self.begin(scene)

    async def fall(self, scene: Scene) -> None:
        """Let the relay end; what its program had in the pipe then is gone."""
        await fall(scene, self.end)

    async def end(self, scene: Scene) -> None:
        """Let the relay end."""
        await kill(scene)

    async def begin(self, scene: Scene) -> None:
        """Start it again."""
        await scene.start()


class Kill(_Down):
    """The relay is killed whatever it does, and files are rotated while it is down."""

    kind = "kill"
    weight = 3.0


class KillAtStep(_Down):
    """The relay is killed when it has come to a step of a line's journey."""

    kind = "kill at a step"
    weight = 6.0
    least = 6
    _was_written = False

    async def begin(self, scene: Scene) -> None:
        if self._was_written:
            # What it had written and not committed is cut off before anything else is written.
            scene.steps.arm(STEPS[0])
            await scene.relay.spawn(scene.environment())
            await fall(scene, self._die)
            for wrong in uncut(scene.state):
                scene.fail("stored", wrong)
        await super().begin(scene)

    async def end(self, scene: Scene) -> None:
        scene.steps.arm(scene.next_step())
        await self._die(scene)
        self._was_written = scene.steps.passed == WRITTEN

    async def _die(self, scene: Scene) -> None:
        await scene.relay.ended()
        scene.note_kill()


class KillInStart(_Down):
    """The relay is killed, and once more while it starts and mends what the kill left."""

    kind = "kill in start"
    weight = 1.0

    async def begin(self, scene: Scene) -> None:
        await scene.relay.spawn(scene.environment())
        await asyncio.sleep(scene.rng.random() * MAX_START_SECONDS)
        await self.fall(scene)
        await scene.start()


class DeleteIndex(_Down):
    """
    The index is deleted while the relay is down.

    It is made anew from the segments. Where each source stood nobody knows any more: each
    channel says so by a gap without a count, and files are read from their beginning.
    """

    kind = "index deleted"
    weight = 0.15

    async def strike(self, scene: Scene) -> None:
        await scene.settle()
        scene.record.strike(self.kind)
        await self.fall(scene)
        scene.forget_rotated()
        for name in ("index.db", "index.db-wal", "index.db-shm"):
            (scene.state / name).unlink(missing_ok=True)
        for stream in scene.record.streams.values():
            stream.rewinds += 1
        counts = scene.record.counts()
        await scene.start()
        # Until they are read files are new to it, and so are copies of them.
        anew = sum(counts.values())
        await scene.wait_for(scene.prompt_readers(), counts, "files are not read anew", anew)


class StepClock(_Down):
    """The relay's clock is stepped by hours either way, while it is down or while it runs."""

    kind = "clock"
    weight = 1.0
    hours = 200

    async def strike(self, scene: Scene) -> None:
        if scene.has_clock and scene.rng.random() < 0.5:
            scene.record.strike(self.kind)
            self.step(scene)
            return
        await super().strike(scene)

    async def end(self, scene: Scene) -> None:
        scene.relay.signal(signal.SIGTERM)
        await scene.relay.ended()

    async def begin(self, scene: Scene) -> None:
        self.step(scene)
        await scene.start(has_clock=scene.rng.random() < 0.8)

    def step(self, scene: Scene) -> None:
        """Step the clock."""
        scene.clock.step(scene.rng.uniform(-self.hours, self.hours))
