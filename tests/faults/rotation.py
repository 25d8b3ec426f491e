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
from tests.faults.record import Stream, numbers_in
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
        await scene.reopen(writer)


class Delete(FileFault):
    """The file is deleted while it is written to; what nobody has open is gone for everyone."""

    kind = "delete"

    async def strike_file(self, scene: Scene, writer: FileWriter) -> None:
        path, stream = writer.path, writer.stream
        if scene.relay.is_running:
            await scene.wait(lambda: scene.relay.has_open(path), f"{path} is never opened")
        seen, held = stream.seen, _held_unseen(scene, writer)
        path.unlink()
        await scene.flow(scene.rng.randrange(FEW_LINES))
        await scene.reopen(writer)
        first = await _first_number(scene, writer)
        if held is not None:
            stream.unseen.update(range(held, first))
        if scene.relay.is_running:
            scene.note_gone(stream, first)
        else:
            stream.allow("source", seen, first)


class CopyTruncate(FileFault):
    """The file is copied and truncated while it is written to."""

    kind = "copytruncate"

    async def strike_file(self, scene: Scene, writer: FileWriter) -> None:
        copy, is_unseen = scene.rotated_path(writer), scene.is_unseen(writer)
        await asyncio.to_thread(_copy_and_truncate, writer.path, copy)
        await allow_between(scene, writer, copy, is_unseen=is_unseen)


def _copy_and_truncate(path: Path, copy: Path) -> None:
    shutil.copyfile(path, copy)
    os.truncate(path, 0)


async def allow_between(scene: Scene, writer: FileWriter, copy: Path, *, is_unseen: bool) -> None:
    """
    Note what was written after a copy was made and before the file was truncated.

    Where the relay has not seen the file before, nothing tells it that there was anything.
    """
    first = await _first_number(scene, writer)
    last = numbers_in(await asyncio.to_thread(copy.read_bytes))
    if not last:
        # Of an empty file: what was written since is gone.
        last = [_before_copy(writer.stream, first)]
    writer.stream.allow("source", last[-1] + 1, first)
    if is_unseen:
        writer.stream.unseen.update(range(last[-1] + 1, first))


def _before_copy(stream: Stream, first: int) -> int:
    return min(stream.seen, first) - 1


async def _first_number(scene: Scene, writer: FileWriter) -> int:
    """Wait for the first line of a file that was truncated, and return its number."""
    found: list[int] = []

    def look() -> bool:
        with writer.path.open("rb") as file:
            found.extend(numbers_in(file.read(4096)))
        return bool(found)

    await scene.wait(look, f"nothing is written to {writer.path}")
    return found[0]


def _held_unseen(scene: Scene, writer: FileWriter) -> int | None:
    """Return the first line of a file that the relay has never seen; ``None`` of others."""
    if not scene.is_unseen(writer):
        return None
    return next(iter(numbers_in(writer.path.read_bytes())), writer.stream.count())


class Truncate(FileFault):
    """The file is truncated without a copy: what no client was given yet may be gone."""

    kind = "truncate"

    async def strike_file(self, scene: Scene, writer: FileWriter) -> None:
        seen, held = writer.stream.seen, _held_unseen(scene, writer)
        os.truncate(writer.path, 0)
        first = await _first_number(scene, writer)
        writer.stream.allow("source", seen, first)
        if held is not None:
            writer.stream.unseen.update(range(held, first))


class LogRotate(FileFault):
    """Debian's own ``logrotate`` renames, and creates the file anew."""

    kind = "logrotate"
    how = "create"

    async def strike_file(self, scene: Scene, writer: FileWriter) -> None:
        await _run_logrotate(scene.folder, writer.path, self.how)
        await scene.flow(scene.rng.randrange(FEW_LINES))
        await scene.reopen(writer)


class LogRotateCopy(FileFault):
    """Debian's own ``logrotate`` copies and truncates."""

    kind = "logrotate copytruncate"
    how = "copytruncate"

    async def strike_file(self, scene: Scene, writer: FileWriter) -> None:
        is_unseen = scene.is_unseen(writer)
        await _run_logrotate(scene.folder, writer.path, self.how)
        copy = writer.path.with_name(f"{writer.path.name}.1")
        await allow_between(scene, writer, copy, is_unseen=is_unseen)


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
