"""
Faults of files: rotated, deleted or truncated while they are written to.

What a fault takes away for good is noted in the record as narrowly as it can be known: the
lines that a rotation's copy does not hold and the truncated file neither. Everything else has
to arrive.
"""

import asyncio
import os
import shutil
from abc import abstractmethod
from pathlib import Path

from tests.faults.fault import Fault
from tests.faults.record import Stream
from tests.faults.scene import Scene
from tests.faults.writers import FileWriter

__all__ = [
    "CopyTruncate",
    "Delete",
    "FileFault",
    "LogRotate",
    "LogRotateCopy",
    "Rename",
    "Truncate",
]

FEW_LINES = 40
"""That are written on into a file that was rotated away, at most."""


class FileFault(Fault):
    """One that strikes a file that is written to."""

    async def strike(self, scene: Scene) -> None:
        writer = scene.pick_writer()
        scene.record.strike(self.kind, writer.stream.name)
        await self.strike_file(scene, writer)

    @abstractmethod
    async def strike_file(self, scene: Scene, writer: FileWriter) -> None:
        """Strike this file."""


class Rename(FileFault):
    """Rotate: the file is renamed, written to a little longer, and then its path anew."""

    kind = "rename"

    async def strike_file(self, scene: Scene, writer: FileWriter) -> None:
        writer.path.rename(scene.rotated_path(writer))
        await scene.flow(scene.rng.randrange(FEW_LINES))
        await writer.reopen()


class Delete(FileFault):
    """The file is deleted while it is written to; what nobody has open is gone for everyone."""

    kind = "delete"

    async def strike_file(self, scene: Scene, writer: FileWriter) -> None:
        path, stream = writer.path, writer.stream
        if scene.relay.is_running:
            await scene.wait(lambda: scene.relay.has_open(path), f"{path} is never opened")
        seen = stream.seen
        path.unlink()
        await scene.flow(scene.rng.randrange(FEW_LINES))
        await writer.reopen()
        if not scene.relay.is_running:
            stream.allow("source", seen, await _first_number(scene, writer))


class CopyTruncate(FileFault):
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


class Truncate(FileFault):
    """The file is truncated without a copy: what no client was given yet may be gone."""

    kind = "truncate"

    async def strike_file(self, scene: Scene, writer: FileWriter) -> None:
        seen = writer.stream.seen
        os.truncate(writer.path, 0)
        writer.stream.allow("source", seen, await _first_number(scene, writer))


class LogRotate(FileFault):
    """Debian's own ``logrotate`` renames, and creates the file anew."""

    kind = "logrotate"
    how = "create"

    async def strike_file(self, scene: Scene, writer: FileWriter) -> None:
        await _run_logrotate(scene.folder, writer.path, self.how)
        await scene.flow(scene.rng.randrange(FEW_LINES))
        await writer.reopen()


class LogRotateCopy(FileFault):
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
