"""
How far pushed runs have come: what everybody may see, and what is on its way to be seen.

What is visible, and durable, the hub knows. Lines that were handed on and are not visible yet
count too where a newer push asks what to skip; only these are kept here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from relay.entry import Batch, RunCounted, RunStarted
from relay.hub import Hub

__all__ = ["RunCount", "RunCounts"]


@dataclass(slots=True)
class RunCount:
    """
    How far a run has come.

    Args:
        said: as it was handed on last.
        lines: that were fed, but for those that a decoder holds.
        line_bytes: of the line after these, as far as they were given out.
        waiting: how many counts were handed on and are not visible yet.
        pushes: how many pushes to it are under way.
    """

    said: RunCounted
    lines: int = 0
    line_bytes: int = 0
    waiting: int = 0
    pushes: int = 0

    @property
    def now(self) -> RunCounted:
        """What stands after all that was fed."""
        return RunCounted(self.said.run, self.lines, self.line_bytes)


class RunCounts:
    """
    The counts of the runs with pushes that are under way, or on their way.

    Args:
        hub: knows what is visible.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._counts: dict[str, RunCount] = {}

    def enter(self, run: str) -> RunCount:
        """Return the count of a run to which a push begins."""
        count = self._known(run)
        if not count.waiting:
            said = count.said = self.visible(run)
            count.lines, count.line_bytes = said.offset, said.offset_bytes
        count.pushes += 1
        return count

    def leave(self, run: str) -> None:
        """Take note that a push is over."""
        self._counts[run].pushes -= 1
        self._let_go(run)

    def visible(self, name: str) -> RunCounted:
        """Return how far a run has come, as everybody may see."""
        run = self._hub.runs.get(name)
        if run is None:
            return RunCounted(name, 0)
        return RunCounted(name, run.offset or 0, run.offset_bytes)

    def starts(self, started: RunStarted) -> tuple[RunStarted | RunCounted, ...]:
        """Return what says that a run starts; the lines of a new one are counted from 0."""
        run = self._hub.runs.get(started.run)
        is_counted = run is not None and run.offset is not None
        return (started,) if is_counted else (started, RunCounted(started.run, 0))

    def hand_on(self, batches: Sequence[Batch]) -> None:
        """Take note of counts that are on their way."""
        for run in _counted(batches):
            self._known(run).waiting += 1

    def settle(self, batches: Sequence[Batch]) -> None:
        """Take note that they have arrived."""
        for run in _counted(batches):
            self._counts[run].waiting -= 1
            self._let_go(run)

    def _known(self, run: str) -> RunCount:
        if run not in self._counts:
            self._counts[run] = RunCount(self.visible(run))
        return self._counts[run]

    def _let_go(self, run: str) -> None:
        if not self._counts[run].waiting and not self._counts[run].pushes:
            del self._counts[run]


def _counted(batches: Sequence[Batch]) -> Iterator[str]:
    for batch in batches:
        for change in batch.runs:
            if isinstance(change, RunCounted):
                yield change.run
