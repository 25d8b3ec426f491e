"""Faults of the relay itself: stopped, killed, its clock stepped."""

import asyncio
import signal
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

__all__ = ["Kill", "KillAtStep", "KillInStart", "StepClock", "Stop"]

DOWN_LINES = 300
"""That are written while the relay is down, at most."""

MAX_START_SECONDS = 0.8
"""After which a relay that starts is killed at the latest: it takes about so long."""


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
        scene.record.strike(self.kind)
        seen = scene.process.stream.seen
        await self.end(scene)
        scene.note_kill(scene.steps.passed)
        await scene.wait(scene.process.is_over, "the relay's program lives on")
        scene.process.stream.allow("source", seen, scene.process.stream.count())
        for _ in range(scene.rng.choice((0, 0, 1, 1, 2))):
            await scene.rng.choice(self.meanwhile).strike_file(scene, scene.pick_writer())
            await scene.flow(scene.rng.randrange(DOWN_LINES))
        await self.begin(scene)

    async def end(self, scene: Scene) -> None:
        """Let the relay end."""
        await scene.relay.kill()

    async def begin(self, scene: Scene) -> None:
        """Start it again."""
        await scene.start()


class Kill(_Down):
    """The relay is killed whatever it does, and files are rotated while it is down."""

    kind = "kill"
    weight = 3


class KillAtStep(_Down):
    """The relay is killed when it has come to a step of a line's journey."""

    kind = "kill at a step"
    weight = 6

    async def end(self, scene: Scene) -> None:
        scene.steps.arm(scene.next_step())
        await scene.relay.ended()


class KillInStart(_Down):
    """The relay is killed, and once more while it starts and mends what the kill left."""

    kind = "kill in start"
    weight = 1

    async def begin(self, scene: Scene) -> None:
        await scene.relay.spawn(scene.environment())
        await asyncio.sleep(scene.rng.random() * MAX_START_SECONDS)
        seen = scene.process.stream.seen
        await scene.relay.kill()
        scene.note_kill(scene.steps.passed)
        await scene.wait(scene.process.is_over, "the relay's program lives on")
        scene.process.stream.allow("source", seen, scene.process.stream.count())
        await scene.start()


class StepClock(_Down):
    """The relay's clock is stepped by hours either way, while it is down or while it runs."""

    kind = "clock"
    weight = 1
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
