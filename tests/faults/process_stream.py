"""What a program that the relay runs has printed, see :mod:`tests.faults.program`."""

import asyncio
import mmap
import sys
from pathlib import Path

from tests.faults.program import BOTH, SIZE
from tests.faults.record import Stream

__all__ = ["ProcessStream"]

QUIET_SECONDS = 0.2


class ProcessStream:
    """
    The record of a program's stream.

    Args:
        stream: that it prints.
        folder: where it keeps how far it is.
    """

    def __init__(self, stream: Stream, folder: Path) -> None:
        self.stream = stream
        self._folder = folder
        path = folder / f"{stream.name}.count"
        path.write_bytes(bytes(SIZE))
        with path.open("r+b") as file:
            self._counts = mmap.mmap(file.fileno(), SIZE)
        stream.count = lambda: int(BOTH.unpack_from(self._counts)[0])
        stream.unsure = self._unsure

    def config(self) -> str:
        """Return the source that runs the program."""
        words = [sys.executable, "-m", "tests.faults.program", self.stream.name, str(self._folder)]
        return (
            f'[sources.{self.stream.name}]\ntype = "process"\nrestart = "always"\n'
            f"command = {words}\n"
        )

    def _unsure(self) -> frozenset[int]:
        path = self._folder / f"{self.stream.name}.unsure"
        return frozenset(map(int, path.read_text().split())) if path.exists() else frozenset()

    def stop(self) -> None:
        """Let the program be silent."""
        (self._folder / f"{self.stream.name}.stop").touch()

    async def is_silent(self) -> None:
        """Wait until it is."""
        count = -1
        while count != self.stream.count():
            count = self.stream.count()
            await asyncio.sleep(QUIET_SECONDS)
