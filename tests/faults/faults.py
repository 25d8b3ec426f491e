"""
The faults, each kind a class: what it does to the scene, and what may be missing for it.

What a fault takes away for good is noted in the record as narrowly as it can be known: the
lines that a rotation's copy does not hold and the truncated file neither. Everything else has
to arrive.
"""

import asyncio
import os
import shutil
import signal
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from tests.faults.record import Stream
from tests.faults.scene import Scene
from tests.faults.writers import FileWriter

__all__ = ["KINDS", "Fault"]

FEW_LINES = 40
"""That are written on into a file that was rotated away, at most."""


class Fault(ABC):
    """One kind of fault."""

    kind: ClassVar[str]
    weight: ClassVar[int] = 2
    """How often it comes, against the others."""

    @abstractmethod
    async def strike(self, scene: Scene) -> None:
        """Strike once, and return when what it does at once is done."""


class _FileFault(Fault):
    """One that strikes a file that is written to."""

    async def strike(self, scene: Scene) -> None:
        writer = scene.pick_writer()
        scene.record.strike(self.kind, writer.stream.name)
        await self.strike_file(scene, writer)

    @abstractmethod
    async def strike_file(self, scene: Scene, writer: FileWriter) -> None:
        """Strike this file."""


class Rename(_FileFault):
    """Rotate: the file is renamed, written to a little longer, and then its path anew."""

    kind = "rename"

    async def strike_file(self, scene: Scene, writer: FileWriter) -> None:
        writer.path.rename(scene.rotated_path(writer))
        await scene.flow(scene.rng.randrange(FEW_LINES))
        await writer.reopen()


class Delete(_FileFault):
    """The file is deleted while it is written to; one that nobody opened would be gone."""

    kind = "delete"

    async def strike_file(self, scene: Scene, writer: FileWriter) -> None:
        path = writer.path
        await scene.wait(lambda: scene.relay.has_open(path), f"{path} is never opened")
        path.unlink()
        await scene.flow(scene.rng.randrange(FEW_LINES))
        await writer.reopen()


class CopyTruncate(_FileFault):
    """The file is copied and truncated while it is written to."""

    kind = "copytruncate"

    async def strike_file(self, scene: Scene, writer: FileWriter) -> None:
        copy = scene.rotated_path(writer)
        await asyncio.to_thread(_copy_and_truncate, writer.path, copy)
        await allow_between(scene, writer, copy)


def _copy_and_truncate(path: Path, copy: Path) -> None:
    shutil.copyfile(path, copy)
    os.truncate(path, 0)


async def allow_between(scene: Scene, writer: FileWriter, copy: Path) -> None:
    """Note what was written after a copy was made and before the file was truncated."""
    first = await _first_number(scene, writer)
    last = _numbers(await asyncio.to_thread(copy.read_bytes))
    if not last:
        # Of an empty file: what was written since is gone.
        last = [_before_copy(writer.stream, first)]
    writer.stream.allow("source", last[-1] + 1, first)


def _before_copy(stream: Stream, first: int) -> int:
    return min(stream.seen, first) - 1


async def _first_number(scene: Scene, writer: FileWriter) -> int:
    """Wait for the first line of a file that was truncated, and return its number."""
    found: list[int] = []

    def look() -> bool:
        with writer.path.open("rb") as file:
            found.extend(_numbers(file.read(4096)))
        return bool(found)

    await scene.wait(look, f"nothing is written to {writer.path}")
    return found[0]


def _numbers(data: bytes) -> list[int]:
    """Return the numbers of the whole lines."""
    return [int(one.split(b" ", 1)[0].split(b":")[1]) for one in data.split(b"\n")[:-1]]


class Truncate(_FileFault):
    """The file is truncated without a copy: what no client was given yet may be gone."""

    kind = "truncate"

    async def strike_file(self, scene: Scene, writer: FileWriter) -> None:
        seen = writer.stream.seen
        os.truncate(writer.path, 0)
        writer.stream.allow("source", seen, await _first_number(scene, writer))


class LogRotate(_FileFault):
    """Debian's own ``logrotate`` renames, and creates the file anew."""

    kind = "logrotate"
    how = "create"

    async def strike_file(self, scene: Scene, writer: FileWriter) -> None:
        await _run_logrotate(scene.folder, writer.path, self.how)
        await scene.flow(scene.rng.randrange(FEW_LINES))
        await writer.reopen()


class LogRotateCopy(_FileFault):
    """Debian's own ``logrotate`` copies and truncates."""

    kind = "logrotate copytruncate"
    how = "copytruncate"

    async def strike_file(self, scene: Scene, writer: FileWriter) -> None:
        await _run_logrotate(scene.folder, writer.path, self.how)
        await allow_between(scene, writer, writer.path.with_name(f"{writer.path.name}.1"))


async def _run_logrotate(folder: Path, path: Path, how: str) -> None:
    config = folder / "logrotate.conf"
    config.write_text(f'"{path}" {{\n  rotate 20\n  {how}\n}}\n')
    state = folder / "logrotate.state"
    # As Debian's cron job calls it, but at once.
    process = await asyncio.create_subprocess_exec(
        "logrotate",
        *("--force", "--state", str(state), str(config)),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"logrotate failed: {said.decode()}")


class Stop(Fault):
    """The relay is stopped for a while, and perhaps a file is rotated meanwhile."""

    kind = "stop"
    meanwhile: ClassVar[tuple[_FileFault | None, ...]] = (
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


KINDS: dict[str, Fault] = {
    fault.kind: fault
    for fault in (
        Rename(),
        Delete(),
        CopyTruncate(),
        Truncate(),
        LogRotate(),
        LogRotateCopy(),
        Stop(),
        Cut(),
        CutPusher(),
        Freeze(),
        Leave(),
    )
}
"""All kinds, by name."""
