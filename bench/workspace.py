"""
A folder for one benchmark: the lines that are read and where they appear.

The lines are 100 bytes long, all distinct, with a level word and a number, as an
application's log has them.
"""

import os
import shutil
from pathlib import Path

__all__ = ["LINE_BYTES", "Workspace"]

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

    def staged(self, lines: int) -> Path:
        """Return a file of so many lines, outside the watched folder; made once."""
        path = self.folder / f"staged-{lines}"
        if not path.exists():
            path.write_bytes(b"".join([line(number) for number in range(lines)]))
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


def line(number: int) -> bytes:
    """Return one line with its newline."""
    text = (
        f"2026-11-21T09:47:{number % 60:02d}.123 INFO worker[{number % 97}] "
        f"request {number:012d} handled path=/a/b/{number} ok"
    )
    return text.ljust(LINE_BYTES, "x").encode() + b"\n"
