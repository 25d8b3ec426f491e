"""
A folder for one benchmark: the lines that are read and where they appear.

The lines are 100 bytes long, all distinct, with a level word and a number, as an
application's log has them.
"""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

__all__ = ["LINE_BYTES", "Workspace", "appear", "append", "knock", "line", "pour"]

LINE_BYTES = 100
"""Length of a line without its newline."""


class Workspace:
    """
    Files of a benchmark.

    Args:
        folder: empty; for this benchmark alone.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.logs = folder / "logs"
        self.logs.mkdir()
        self._appeared = 0

    @property
    def watched(self) -> str:
        """The glob that a relay reads."""
        return str(self.logs / "*.log")

    def staged(self, lines: int, make: Callable[[int], bytes] | None = None) -> Path:
        """
        Return a file of so many lines, outside the watched folder; made once.

        Args:
            lines: how many.
            make: gives a line by its number; ``None``: :func:`line`.
        """
        make = make or line
        path = self.folder / f"staged-{make.__name__}-{lines}"
        if not path.exists():
            with path.open("wb") as file:
                file.writelines(map(make, range(lines)))
        return path

    def fifo(self, name: str) -> Path:
        """Return a FIFO, made anew."""
        path = self.folder / name
        path.unlink(missing_ok=True)
        os.mkfifo(path)
        return path

    def next_log(self) -> Path:
        """Return a name in the watched folder that no file has had."""
        self._appeared += 1
        return self.logs / f"bench-{self._appeared:03d}.log"

    def new_state(self) -> Path:
        """Return a directory for what a relay keeps, without anything in it."""
        state = self.folder / "state"
        shutil.rmtree(state, ignore_errors=True)
        return state

    def clear(self) -> None:
        """Remove the logs that were read."""
        for path in self.logs.iterdir():
            path.unlink()


def appear(staged: Path, path: Path) -> None:
    """Let the staged file appear at ``path`` whole, at once, and without a copy."""
    link = staged.with_name(f"{path.name}.link")
    os.link(staged, link)
    link.rename(path)


def append(staged: Path, path: Path) -> None:
    """Append the staged file to ``path``, by a process of its own."""
    with path.open("ab") as log:
        subprocess.run(["cat", staged], stdout=log, check=True)


def pour(staged: Path, fifo: Path) -> "subprocess.Popen[bytes]":
    """Write the staged file into a FIFO that is read, by a process of its own."""
    with fifo.open("wb") as pipe:
        return subprocess.Popen(["cat", staged], stdout=pipe)


def knock(fifo: Path) -> None:
    """Let go on whoever waits for a line from the FIFO."""
    fifo.write_bytes(b"\n")


def line(number: int) -> bytes:
    """Return one line with its newline."""
    text = (
        f"2026-11-21T09:47:{number % 60:02d}.123 INFO worker[{number % 97}] "
        f"request {number:012d} handled path=/a/b/{number} ok"
    )
    return text.ljust(LINE_BYTES, "x").encode() + b"\n"
