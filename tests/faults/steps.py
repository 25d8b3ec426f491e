"""
At which step of a line's journey the relay is, in memory that a kill leaves as it was.

:mod:`tests.faults.launch` notes each step as it is passed; whoever shares the file reads the
last one, or names the step at which the relay is to kill itself.
"""

import mmap
from pathlib import Path

__all__ = ["ENVIRONMENT", "FATAL_STEPS", "STARTING", "STEPS", "WRITTEN", "Steps"]

ENVIRONMENT = "RELAY_FAULTS_STEPS"
"""Names the file."""

STARTING = "starting"

WRITTEN = "segment written"
STEPS = ("read", "ids given", WRITTEN, "committed", "visible", "sent")
"""In their order, for one line; several lines are on their way at a time."""

FATAL_STEPS = (*STEPS, WRITTEN, WRITTEN)
"""At which it is killed in turn: most often where segments hold what the index does not."""

_NAMES = (STARTING, *STEPS)
_PASSED, _ARMED = 0, 1


class Steps:
    """
    The last step that was passed, and the one that is fatal.

    Args:
        path: of the file; made where it is missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            path.write_bytes(bytes(mmap.PAGESIZE))
        with path.open("r+b") as file:
            self._bytes = mmap.mmap(file.fileno(), mmap.PAGESIZE)

    @property
    def passed(self) -> str:
        """The last step that was passed."""
        return _NAMES[self._bytes[_PASSED]]

    @passed.setter
    def passed(self, step: str) -> None:
        self._bytes[_PASSED] = _NAMES.index(step)

    def arm(self, step: str) -> None:
        """Let the relay die the next time it passes this step."""
        self._bytes[_ARMED] = _NAMES.index(step)

    def take(self, step: str) -> bool:
        """Note that a step is passed; tell whether it is the fatal one, which it is once."""
        number = _NAMES.index(step)
        self._bytes[_PASSED] = number
        if self._bytes[_ARMED] != number:
            return False
        self._bytes[_ARMED] = 0
        return True
