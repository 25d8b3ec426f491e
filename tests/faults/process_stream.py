"""What a program that the relay runs has printed, see :mod:`tests.faults.program`."""

import asyncio
import mmap
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from tests.faults.program import COUNTS
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
        path.write_bytes(bytes(COUNTS.size))
        with path.open("r+b") as file:
            self._counts = mmap.mmap(file.fileno(), COUNTS.size)
        stream.count = lambda: int(COUNTS.unpack_from(self._counts)[0])
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

    def is_over(self) -> bool:
        """Tell whether the program of the last life has ended."""
        pid = int(COUNTS.unpack_from(self._counts)[2])
        try:
            return b") Z " in Path(f"/proc/{pid}/stat").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            return True

    def kill(self) -> None:
        """End the program; without its relay it ends when it next prints."""
        pid = int(COUNTS.unpack_from(self._counts)[2])
        if pid and not self.is_over():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        """Let the program be silent."""
        (self._folder / f"{self.stream.name}.stop").touch()

    async def is_silent(self) -> None:
        """Wait until it is."""
        count = -1
        while count != self.stream.count():
            count = self.stream.count()
            await asyncio.sleep(QUIET_SECONDS)
