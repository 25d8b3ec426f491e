"""Faults of what is stored: segments deleted, cut off, overwritten."""

import asyncio
import os
import subprocess
from abc import abstractmethod
from pathlib import Path

from tests.faults.fault import Fault
from tests.faults.record import numbers_of
from tests.faults.scene import Scene

__all__ = ["CutSegment", "DeleteSegment", "ZeroSegment"]

PAGE_BYTES = 4096


class _Damage(Fault):
    """
    A segment comes to harm.

    What is whole is served. The rest is missing from history, by a gap that counts it; so is
    any gap that stood in it.
    """

    weight = 0.7
    newest = 1
    """How many of a channel's newest segments are left alone."""

    async def strike(self, scene: Scene) -> None:
        channel, path = await self._pick(scene)
        stream = scene.record.streams[channel]
        scene.record.strike(self.kind, channel)
        scene.tell(f"{self.kind}: {path}")
        found = await asyncio.to_thread(_numbers_in, path)
        if found:
            try:
                self.harm(scene, path)
            except FileNotFoundError:
                return  # It was compressed, or was not to be kept.
            until = await self.until(scene, channel, path, found[-1] + 1)
            stream.damage(self.kind, found[0], until)

    async def _pick(self, scene: Scene) -> tuple[str, Path]:
        found: list[tuple[str, Path]] = []

        def look() -> bool:
            for channel in scene.record.streams:
                files = segments(scene.state, channel)
                found.extend((channel, path) for path in files[: len(files) - self.newest])
            return bool(found)

        await scene.wait(look, "there is no segment")
        return scene.rng.choice(found)

    @abstractmethod
    def harm(self, scene: Scene, path: Path) -> None:
        """Do it."""

    async def until(self, scene: Scene, channel: str, path: Path, number: int) -> int:
        """Return the number after the last line that may be missing."""
        return number


class DeleteSegment(_Damage):
    """It is deleted, be it the one that is written to."""

    kind = "segment deleted"
    newest = 0

    def harm(self, scene: Scene, path: Path) -> None:
        path.unlink()

    async def until(self, scene: Scene, channel: str, path: Path, number: int) -> int:
        stream = scene.record.streams[channel]
        if segments(scene.state, channel, after=path):
            return number
        # It was written to, and still is for a moment.
        count = stream.count()
        await scene.wait(
            lambda: segments(scene.state, channel, after=path) and stream.seen > count,
            f"there is no segment after {path}",
        )
        return stream.count()


class CutSegment(_Damage):
    """Its end is cut off."""

    kind = "segment cut"

    def harm(self, scene: Scene, path: Path) -> None:
        os.truncate(path, scene.rng.randrange(path.stat().st_size))


class ZeroSegment(_Damage):
    """A page of it is zeroed."""

    kind = "segment zeroed"

    def harm(self, scene: Scene, path: Path) -> None:
        with path.open("r+b") as file:
            start = scene.rng.randrange(path.stat().st_size)
            file.seek(start)
            file.write(bytes(min(PAGE_BYTES, path.stat().st_size - start)))


def segments(state: Path, channel: str, after: Path | None = None) -> list[Path]:
    """Return a channel's segments, oldest first, or those after one."""
    first = 0 if after is None else _first_id(after) + 1
    found = [path for path in (state / "channels" / channel).glob("*/*.ndjson*") if _is_one(path)]
    return sorted((path for path in found if _first_id(path) >= first), key=_first_id)


def _is_one(path: Path) -> bool:
    return path.suffix in (".ndjson", ".zst")


def _first_id(path: Path) -> int:
    return int(path.name.partition(".")[0])


def _numbers_in(path: Path) -> list[int]:
    """Return the numbers of a segment's lines; none where it is gone."""
    try:
        if path.suffix == ".zst":
            # As anybody can read it, without the relay.
            text = subprocess.run(["zstdcat", str(path)], check=True, capture_output=True).stdout
        else:
            text = path.read_bytes()
    except (FileNotFoundError, subprocess.CalledProcessError):
        return []
    return numbers_of(text)
