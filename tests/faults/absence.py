"""Faults of clients: cut, frozen, away for a while."""

from tests.faults.fault import Fault
from tests.faults.scene import Scene

__all__ = ["Cut", "CutPusher", "Freeze", "Leave"]


class Cut(Fault):
    """Some clients are cut, inside an event or a character."""

    kind = "cut"

    async def strike(self, scene: Scene) -> None:
        cut = scene.prompt_readers()[: scene.rng.randint(1, 4)]
        before = {reader: reader.cuts.total() for reader in cut}
        for reader in cut:
            reader.struck = self.kind
            reader.cut(scene.rng)
        await scene.wait(
            lambda: any(reader.cuts.total() > count for reader, count in before.items()),
            "no reader gets anything",
        )


class CutPusher(Fault):
    """The client that pushes is cut, inside a line."""

    kind = "cut push"

    async def strike(self, scene: Scene) -> None:
        scene.record.strike(self.kind, scene.pusher.stream.name)
        scene.pusher.cut()


class Freeze(Fault):
    """A client reads nothing for a while; perhaps for so long that lines leave unread."""

    kind = "freeze"
    lines = (1000, 12_000)

    async def strike(self, scene: Scene) -> None:
        if (reader := scene.pick_idle()) is not None:
            reader.struck = self.kind
            reader.freeze()
            scene.later(scene.rng.randrange(*self.lines), reader.thaw)


class Leave(Fault):
    """A client goes away for a while, and resumes where it was."""

    kind = "leave"
    lines = (200, 8000)

    async def strike(self, scene: Scene) -> None:
        if (reader := scene.pick_idle()) is not None:
            reader.struck = self.kind
            reader.leave()
            scene.later(scene.rng.randrange(*self.lines), reader.come)
